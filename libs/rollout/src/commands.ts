import type { WaveSnapshot } from './decide.ts';
import { type Decision, rollBack, setRollout, setWave, waveName } from './decision.ts';
import type { RolloutState } from './states.ts';

export type RolloutCommand = 'approve' | 'deny' | 'pause' | 'resume' | 'promote' | 'abort' | 'undo';

/** A person asked for something that the rollout's state does not allow. */
export class CommandRefusedError extends Error {
  readonly code = 'rollout-command-refused';
}

/** As much of a rollout as decides whether a person's command is allowed. */
export interface CommandSubject {
  readonly state: RolloutState;
  readonly waves: readonly Pick<WaveSnapshot, 'index' | 'state'>[];
}

const demand = (
  command: RolloutCommand | 'retry',
  snapshot: CommandSubject,
  allowed: readonly RolloutState[],
): void => {
  if (allowed.includes(snapshot.state)) return;
  throw new CommandRefusedError(
    `Expected a rollout that is ${allowed.join(' or ')} for ${command}; this one is ${snapshot.state}.`,
  );
};

/**
 * What a person's command does.
 * @param by the person, as it is told to others
 * @throws CommandRefusedError with what it would need
 */
export const command = (snapshot: CommandSubject, asked: RolloutCommand, by: string): Decision[] => {
  const failed = snapshot.waves.find((wave) => wave.state === 'FAILED');
  switch (asked) {
    case 'approve':
      demand(asked, snapshot, ['WAITING_FOR_APPROVAL']);
      return [setRollout('READY', `approved by ${by}`)];
    case 'deny':
      demand(asked, snapshot, ['WAITING_FOR_APPROVAL']);
      return [setRollout('APPROVAL_DENIED', `denied by ${by}`)];
    case 'pause':
      demand(asked, snapshot, ['RUNNING']);
      return [setRollout('PAUSED', `paused by ${by}`)];
    case 'resume':
      demand(asked, snapshot, ['PAUSED']);
      if (failed !== undefined) {
        throw new CommandRefusedError(
          `Wave ${failed.index + 1} has failed; promote goes on in spite of it, undo brings its devices back.`,
        );
      }
      return [setRollout('RUNNING', `resumed by ${by}`)];
    case 'promote': {
      demand(asked, snapshot, ['RUNNING', 'PAUSED']);
      const current = failed ?? snapshot.waves.find((wave) => wave.state === 'SOAKING');
      if (current === undefined && snapshot.waves.every(({ state }) => state === 'PASSED' || state === 'SKIPPED')) {
        throw new CommandRefusedError(
          'Expected a wave that soaks or has failed; all have passed, and newcomers are taken as they come. To end that, abort: devices keep the release.',
        );
      }
      if (current === undefined) {
        throw new CommandRefusedError(
          'Expected a wave that soaks or has failed; the current one still has devices under way. Wait for them, or abort.',
        );
      }
      return [
        setWave(current.index, 'PASSED', `promoted by ${by}`),
        setRollout('RUNNING', `${waveName(current.index)} was promoted by ${by}`),
      ];
    }
    case 'abort':
      demand(asked, snapshot, ['DRAFT', 'WAITING_FOR_APPROVAL', 'READY', 'RUNNING', 'PAUSED']);
      return [
        { kind: 'cancel', scope: 'all', which: 'unstarted', reason: `the rollout was aborted by ${by}` },
        setRollout('STOPPING', `aborted by ${by}`),
      ];
    case 'undo':
      demand(asked, snapshot, ['RUNNING', 'PAUSED', 'STOPPING', 'STOPPED', 'FINISHED']);
      return rollBack('all', `undone by ${by}`);
  }
};

/**
 * What it means for the waves that some of their devices get a new try: each goes on, soaks once more, and is judged once
 * more; the next one waits for that.
 * @param waves those of the devices
 * @throws CommandRefusedError with what it would need
 */
export const tryAgain = (snapshot: CommandSubject, waves: readonly number[], by: string): Decision[] => {
  demand('retry', snapshot, ['RUNNING', 'PAUSED']);
  return snapshot.waves
    .filter(({ index, state }) => waves.includes(index) && state !== 'RUNNING')
    .map(({ index }) => setWave(index, 'RUNNING', `devices are tried again, as ${by} has asked`));
};
