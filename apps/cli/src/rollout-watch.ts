import type { RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from './connection.ts';
import { wavePicture } from './render/wave-picture.ts';
import { type FollowOptions, followRollout } from './rollout-follower.ts';

/** Exit codes of `rollout status --watch`, after Argo Rollouts and timeout(1). */
export const EXIT = { done: 0, failed: 1, paused: 3, timedOut: 124 } as const;

const exitCodeOf = (state: RolloutDetail['state']): number | undefined => {
  if (state === 'FINISHED') return EXIT.done;
  if (state === 'STOPPED' || state === 'ROLLED_BACK' || state === 'APPROVAL_DENIED') return EXIT.failed;
  return state === 'PAUSED' ? EXIT.paused : undefined;
};

/** Where the picture goes: a terminal, which is redrawn, or anything else, which gets each line once. */
export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Shows a rollout until it ends or pauses. @returns the exit code */
export const watchRollout = async (
  client: Pick<AdminClient, 'showRollout'>,
  id: string,
  options: FollowOptions,
  screen: Screen,
): Promise<number> => {
  let drawn: readonly string[] = [];
  for await (const rollout of followRollout(client, id, options)) {
    const lines = wavePicture(rollout);
    if (screen.isTTY === true) {
      if (drawn.length > 0) screen.write(`\u001b[${drawn.length}A\u001b[J`);
      // A line that wrapped would take two rows, and the next redraw would begin too low.
      screen.write(`${lines.map((line) => line.slice(0, screen.columns)).join('\n')}\n`);
    } else {
      for (const line of lines.filter((candidate) => !drawn.includes(candidate))) screen.write(`${line}\n`);
    }
    drawn = lines;
    const code = exitCodeOf(rollout.state);
    if (code !== undefined) return code;
  }
  return EXIT.timedOut;
};
