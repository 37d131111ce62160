import type { RolloutDetail, WaveView } from '@aviary/protocol';
import type { AdminClient } from '../connection.ts';
import type { FollowOptions } from '../follower.ts';
import { waveBar } from '../render/wave-picture.ts';
import { followRollout } from '../rollout-follower.ts';
import type { Narrator } from './narrator.ts';

const ENDED: ReadonlySet<RolloutDetail['state']> = new Set(['FINISHED', 'STOPPED', 'ROLLED_BACK', 'APPROVAL_DENIED']);
/** While the waves are told these go without saying; the end is for the caller to tell. */
const SILENT: ReadonlySet<RolloutDetail['state']> = new Set(['READY', 'RUNNING', ...ENDED]);

type ExecutionState = keyof WaveView['counts'];

/** What a listener wants to tell apart; the states between are passed within a second. */
const STEPS: readonly (readonly [string, readonly ExecutionState[]])[] = [
  ['to come', ['QUEUED']],
  ['downloading', ['NOTIFIED', 'DOWNLOADING', 'DOWNLOADED']],
  ['installing', ['VERIFIED', 'PREPARING', 'INSTALLING']],
  ['on probation', ['PROBATION']],
  ['succeeded', ['SUCCEEDED', 'ALREADY_INSTALLED']],
  ['staged', ['STAGED']],
  ['rolled back', ['ROLLED_BACK']],
  ['failed', ['FAILED', 'REJECTED', 'TIMED_OUT', 'REMOVED']],
  ['canceled', ['CANCELED']],
];

const stepsOf = ({ counts }: WaveView): string =>
  STEPS.map(([step, states]) => [step, states.reduce((sum, state) => sum + (counts[state] ?? 0), 0)] as const)
    .filter(([, count]) => count > 0)
    .map(([step, count]) => `${count} ${step}`)
    .join(', ');

/** Tells each change of a rollout once. */
class RolloutTale {
  readonly #narrator: Pick<Narrator, 'say' | 'detail'>;
  readonly #told = new Map<number, string>();
  #state: RolloutDetail['state'] | undefined;

  constructor(narrator: Pick<Narrator, 'say' | 'detail'>) {
    this.#narrator = narrator;
  }

  tell(rollout: RolloutDetail): void {
    const widest = Math.max(...rollout.waves.map(({ size }) => size), 0);
    for (const wave of rollout.waves) {
      if (wave.state === 'SCHEDULED') continue;
      const name = `wave ${wave.index + 1} of ${rollout.waves.length}`;
      const line = `${name}  ${waveBar(wave, wave.size).padEnd(widest)}  ${wave.state.toLowerCase()}: ${stepsOf(wave)}`;
      if (this.#told.get(wave.index) === line) continue;
      this.#told.set(wave.index, line);
      this.#narrator.say(line);
      if (wave.state !== 'PASSED' && wave.state !== 'FAILED') continue;
      for (const { words } of wave.gates) this.#narrator.detail(words);
    }
    if (rollout.state === this.#state) return;
    this.#state = rollout.state;
    if (SILENT.has(rollout.state)) return;
    const why = rollout.reason === null ? '' : `: ${rollout.reason}`;
    this.#narrator.say(`the rollout is ${rollout.state.toLowerCase().replaceAll('_', ' ')}${why}`);
  }
}

/**
 * Follows a rollout to its end and tells each change on the way there.
 * @returns how it ended
 * @throws Error when it has not ended in time
 */
export const narrateRollout = async (
  client: Pick<AdminClient, 'showRollout'>,
  narrator: Pick<Narrator, 'say' | 'detail'>,
  id: string,
  options: FollowOptions,
): Promise<RolloutDetail> => {
  const tale = new RolloutTale(narrator);
  let last: RolloutDetail | undefined;
  for await (const rollout of followRollout(client, id, options)) {
    tale.tell(rollout);
    if (ENDED.has(rollout.state)) return rollout;
    last = rollout;
  }
  const where = last === undefined ? 'was never seen' : `is still ${last.state}`;
  throw new Error(`Expected the rollout to end within ${options.timeoutSeconds} s, and it ${where}.`);
};
