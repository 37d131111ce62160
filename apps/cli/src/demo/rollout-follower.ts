import type { adminRoutes, Client, RolloutDetail, WaveView } from '@aviary/protocol';
import type { Narrator } from './narrator.ts';

const LOOK_MS = 400;
const ENDED = new Set(['FINISHED', 'STOPPED', 'ROLLED_BACK', 'APPROVAL_DENIED']);

const counted = (wave: WaveView): string =>
  Object.entries(wave.counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');

/** Follows a rollout to its end and tells each change of its waves. @throws when it has not ended in time. */
export const followRollout = async (
  client: Client<typeof adminRoutes>,
  narrator: Narrator,
  id: string,
  timeoutSeconds: number,
): Promise<RolloutDetail> => {
  const told = new Map<number, string>();
  let state = '';
  const deadline = Date.now() + timeoutSeconds * 1000;
  for (;;) {
    const rollout = await client.showRollout({ params: { id } });
    for (const wave of rollout.waves) {
      const line = `wave ${wave.index + 1} of ${rollout.waves.length} (${wave.size} devices): ${wave.state}${counted(wave) === '' ? '' : ` · ${counted(wave)}`}`;
      if (wave.state === 'SCHEDULED' || told.get(wave.index) === line) continue;
      told.set(wave.index, line);
      narrator.say(line);
    }
    if (rollout.state !== state) {
      state = rollout.state;
      narrator.say(`rollout of ${rollout.release}: ${state}${rollout.reason === null ? '' : ` · ${rollout.reason}`}`);
    }
    if (ENDED.has(rollout.state)) return rollout;
    if (Date.now() > deadline) {
      throw new Error(`The rollout of ${rollout.release} is still ${rollout.state} after ${timeoutSeconds} s.`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
};
