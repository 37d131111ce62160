import type { RolloutDetail } from '@aviary/protocol';
import { type AdminClient, ConnectionError, everyItem } from './connection.ts';
import { wavePicture } from './render/wave-picture.ts';

const LOOK_MS = 500;
/** A control plane that restarts is away for a moment; that says nothing about the rollout. */
const AWAY_MS = 60_000;

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
  let seenAt = Date.now();
  for (;;) {
    const rollout = await client.showRollout({ params: { id } }).catch((error: unknown) => {
      if (!(error instanceof ConnectionError) || Date.now() - seenAt > AWAY_MS) throw error;
      return undefined;
    });
    if (rollout === undefined) {
      if (Date.now() > deadline) return EXIT.timedOut;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      continue;
    }
    seenAt = Date.now();
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

const FULL_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A rollout by its id, the beginning of it, or `last`. @throws Error naming what there is */
export const findRollout = async (client: AdminClient, id: string): Promise<string> => {
  if (FULL_ID.test(id)) return id;
  const items = await everyItem((cursor) => client.listRollouts({ query: { limit: 500, ...cursor } }));
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
