import { setTimeout as pause } from 'node:timers/promises';
import type { RoundDetail } from '@aviary/protocol';
import type { AdminClient } from '../connection.ts';
import type { Narrator } from './narrator.ts';

const LOOK_MS = 300;

/** Follows a federated round to its end and tells what is new in its history. @throws Error when it has not ended in time */
export const narrateRound = async (
  client: Pick<AdminClient, 'showRound'>,
  narrator: Pick<Narrator, 'say'>,
  id: string,
  { timeoutSeconds, signal }: { timeoutSeconds: number; signal: AbortSignal },
): Promise<RoundDetail> => {
  let told = 0;
  let counts = '';
  for (const deadline = Date.now() + timeoutSeconds * 1000; ; await pause(LOOK_MS, undefined, { signal })) {
    const round = await client.showRound({ params: { id } });
    for (const { message } of round.history.slice(told)) narrator.say(message);
    told = round.history.length;
    const now = `${round.updates} of ${round.selected} devices have sent an update`;
    if (round.state === 'COLLECTING' && now !== counts) narrator.say(now);
    counts = now;
    if (round.endedAt !== null) return round;
    if (Date.now() > deadline)
      throw new Error(`Expected the round to end within ${timeoutSeconds} s, and it is still ${round.state}.`);
  }
};
