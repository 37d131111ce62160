import type { RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from './connection.ts';
import { wavePicture } from './render/wave-picture.ts';

const LOOK_MS = 500;

/** Exit codes of `rollout status --watch`, after Argo Rollouts and timeout(1). */
export const EXIT = { done: 0, failed: 1, paused: 3, timedOut: 124 } as const;

export const exitCodeOf = (state: RolloutDetail['state']): number | undefined => {
  if (state === 'FINISHED') return EXIT.done;
  if (state === 'STOPPED' || state === 'ROLLED_BACK' || state === 'APPROVAL_DENIED') return EXIT.failed;
  return state === 'PAUSED' ? EXIT.paused : undefined;
};

/** Shows a rollout until it ends or pauses: redrawn on a terminal, a line per change elsewhere. @returns the exit code */
export const followRollout = async (
  client: AdminClient,
  id: string,
  timeoutSeconds: number,
  out: NodeJS.WriteStream,
): Promise<number> => {
  const deadline = Date.now() + timeoutSeconds * 1000;
  let drawn: string[] = [];
  for (;;) {
    const rollout = await client.showRollout({ params: { id } });
    const lines = wavePicture(rollout);
    if (out.isTTY) {
      if (drawn.length > 0) out.write(`\u001b[${drawn.length}A\u001b[J`);
      out.write(`${lines.map((line) => line.slice(0, out.columns)).join('\n')}\n`);
    } else {
      for (const line of lines.filter((candidate) => !drawn.includes(candidate))) out.write(`${line}\n`);
    }
    drawn = lines;
    const code = exitCodeOf(rollout.state);
    if (code !== undefined) return code;
    if (Date.now() > deadline) return EXIT.timedOut;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
};

/** A rollout by its id, the beginning of it, or `last`. @throws Error naming what there is */
export const findRollout = async (client: AdminClient, id: string): Promise<string> => {
  const { items } = await client.listRollouts({ query: { limit: 500 } });
  if (id === 'last' && items[0] !== undefined) return items[0].id;
  const found = items.filter((rollout) => rollout.id.startsWith(id));
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only.id;
  throw new Error(
    found.length === 0
      ? `There is no rollout "${id}". List them with: aviary rollout list`
      : `"${id}" is the beginning of ${found.length} rollouts; give more of it.`,
  );
};
