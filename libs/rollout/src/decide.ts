import { allEnded, evaluateGate, type GateResult, type WaveFacts } from './gates.ts';
import type { RolloutSpec } from './rollout-spec.ts';
import type { RolloutState, WaveState } from './states.ts';

/** How long executions that have begun may still go on after `abort`, before they are ended by force. */
export const STOP_GRACE_SECONDS = 30;

export interface WaveSnapshot {
  readonly index: number;
  readonly state: WaveState;
  /** Executions that it has, or (while SCHEDULED) devices planned for it. */
  readonly planned: number;
  /** Milliseconds since 1970; set while SOAKING. */
  readonly soakUntil: number | null;
  /** What it has shown: for a wave under way, and for one that has passed and has diverged devices. */
  readonly facts: WaveFacts | null;
}

/** A rollout as the database has it at one moment. */
export interface RolloutSnapshot {
  readonly state: RolloutState;
  /** Milliseconds since 1970 when it came into this state. */
  readonly stateSince: number;
  readonly spec: Pick<RolloutSpec, 'strategy' | 'gates' | 'onFailure'>;
  readonly waves: readonly WaveSnapshot[];
  /** Executions that have not ended: those that install, and those that bring devices back. */
  readonly open: { readonly install: number; readonly rollback: number };
}

/** Executions that a decision is about. */
export type Scope = { readonly wave: number } | 'all';

/** What to do, as data; whoever applies a list of them does so in order and in one transaction. */
export type Decision =
  | { readonly kind: 'start-wave'; readonly wave: number }
  | {
      readonly kind: 'set-wave';
      readonly wave: number;
      readonly state: WaveState;
      readonly soakUntil: number | null;
      readonly reason: string;
    }
  | { readonly kind: 'record-gates'; readonly wave: number; readonly results: readonly GateResult[] }
  /** End executions that install and have not ended; `unstarted` only those of which the device has said nothing yet. */
  | { readonly kind: 'cancel'; readonly scope: Scope; readonly which: 'open' | 'unstarted'; readonly reason: string }
  /** Bring back every device that this rollout has brought to the release and that has something to go back to. */
  | { readonly kind: 'roll-back'; readonly scope: Scope }
  | { readonly kind: 'set-rollout'; readonly state: RolloutState; readonly reason: string };

const setWave = (wave: number, state: WaveState, reason: string, soakUntil: number | null = null): Decision => ({
  kind: 'set-wave',
  wave,
  state,
  soakUntil,
  reason,
});

const setRollout = (state: RolloutState, reason: string): Decision => ({ kind: 'set-rollout', state, reason });

const rollBack = (scope: Scope, reason: string): Decision[] => [
  { kind: 'cancel', scope, which: 'open', reason },
  { kind: 'roll-back', scope },
  setRollout('ROLLING_BACK', reason),
];

const name = (wave: number): string => `wave ${wave + 1}`;

const failWave = (snapshot: RolloutSnapshot, wave: number, words: string): Decision[] => {
  const reason = `${name(wave)} ${words}`;
  const failed = setWave(wave, 'FAILED', words);
  switch (snapshot.spec.onFailure) {
    case 'pause':
      return [failed, setRollout('PAUSED', reason)];
    case 'rollback-wave':
      return [failed, ...rollBack({ wave }, reason)];
    case 'rollback-all':
      return [failed, ...rollBack('all', reason)];
  }
};

const judgeWave = (snapshot: RolloutSnapshot, wave: WaveSnapshot, facts: WaveFacts, now: number): Decision[] => {
  if (wave.state === 'RUNNING' && wave.planned === 0) {
    // Its devices left between the plan and the start. Nobody is there whom a gate could wait for.
    return snapshot.state === 'RUNNING' ? [setWave(wave.index, 'SKIPPED', 'no device is left for it')] : [];
  }
  const ended = allEnded(facts, wave.planned);
  const soaked =
    wave.state === 'PASSED' || (wave.state === 'SOAKING' && wave.soakUntil !== null && now >= wave.soakUntil);
  const isFinal = ended && soaked;
  const results = snapshot.spec.gates.map((gate) => evaluateGate(gate, facts, isFinal));
  const decisions: Decision[] = [{ kind: 'record-gates', wave: wave.index, results }];
  const failed = results.find((result) => result.verdict === 'fail');
  if (failed !== undefined) return [...decisions, ...failWave(snapshot, wave.index, failed.words)];
  if (wave.state === 'PASSED' || snapshot.state !== 'RUNNING') return decisions;
  if (wave.state === 'RUNNING' && ended) {
    const { soak } = snapshot.spec.strategy.waves[wave.index] ?? { soak: 0 };
    return [...decisions, setWave(wave.index, 'SOAKING', `all ended; soaking for ${soak} s`, now + soak * 1000)];
  }
  if (!isFinal) return decisions;
  const unsure = results.find((result) => result.verdict === 'not-enough');
  if (unsure !== undefined) {
    // Silence is no proof: a person decides, by promote or undo.
    return [...decisions, setRollout('PAUSED', `${name(wave.index)}: ${unsure.words}; promote or undo it`)];
  }
  return [...decisions, setWave(wave.index, 'PASSED', 'all gates passed')];
};

const goOn = (snapshot: RolloutSnapshot): Decision[] => {
  const next = snapshot.waves.find((wave) => wave.state === 'SCHEDULED');
  if (next === undefined) return [setRollout('FINISHED', 'all waves have passed')];
  if (next.planned === 0) return [setWave(next.index, 'SKIPPED', 'no device is left for it')];
  return [{ kind: 'start-wave', wave: next.index }];
};

/**
 * What has to happen next with a rollout. Pure: the same snapshot and time give the same decisions, so that killing
 * whoever applies them, anywhere, changes nothing. Silent devices are ended by their deadline before this is asked.
 * @param now milliseconds since 1970
 */
export const decide = (snapshot: RolloutSnapshot, now: number): Decision[] => {
  switch (snapshot.state) {
    case 'READY':
      return [setRollout('RUNNING', 'started')];
    case 'RUNNING':
    case 'PAUSED': {
      const decisions: Decision[] = [];
      for (const wave of snapshot.waves) {
        if (wave.facts === null) continue;
        const made = judgeWave(snapshot, wave, wave.facts, now);
        decisions.push(...made);
        if (made.some((decision) => decision.kind === 'set-rollout')) return decisions;
      }
      const underWay = snapshot.waves.some((wave) => wave.state === 'RUNNING' || wave.state === 'SOAKING');
      if (snapshot.state === 'RUNNING' && !underWay) decisions.push(...goOn(snapshot));
      return decisions;
    }
    case 'STOPPING': {
      if (snapshot.open.install === 0)
        return [setRollout('STOPPED', 'stopped; devices that had succeeded keep the release')];
      if (now < snapshot.stateSince + STOP_GRACE_SECONDS * 1000) return [];
      return [{ kind: 'cancel', scope: 'all', which: 'open', reason: 'the rollout was aborted' }];
    }
    case 'ROLLING_BACK':
      return snapshot.open.rollback === 0 && snapshot.open.install === 0
        ? [setRollout('ROLLED_BACK', 'every device was brought back or has passed its deadline')]
        : [];
    default:
      return [];
  }
};

export type RolloutCommand = 'pause' | 'resume' | 'promote' | 'abort' | 'undo';

/** A person asked for something that the rollout's state does not allow. */
export class CommandRefusedError extends Error {
  readonly code = 'rollout-command-refused';
}

/** As much of a rollout as decides whether a person's command is allowed. */
export interface CommandSubject {
  readonly state: RolloutState;
  readonly waves: readonly Pick<WaveSnapshot, 'index' | 'state'>[];
}

const demand = (command: RolloutCommand, snapshot: CommandSubject, allowed: readonly RolloutState[]): void => {
  if (allowed.includes(snapshot.state)) return;
  throw new CommandRefusedError(
    `Expected a rollout that is ${allowed.join(' or ')} for ${command}; this one is ${snapshot.state}.`,
  );
};

/**
 * What a person's command does.
 * @throws CommandRefusedError with what it would need
 */
export const command = (snapshot: CommandSubject, asked: RolloutCommand): Decision[] => {
  const failed = snapshot.waves.find((wave) => wave.state === 'FAILED');
  switch (asked) {
    case 'pause':
      demand(asked, snapshot, ['RUNNING']);
      return [setRollout('PAUSED', 'paused by a person')];
    case 'resume':
      demand(asked, snapshot, ['PAUSED']);
      if (failed !== undefined) {
        throw new CommandRefusedError(
          `Wave ${failed.index + 1} has failed; promote goes on in spite of it, undo brings its devices back.`,
        );
      }
      return [setRollout('RUNNING', 'resumed by a person')];
    case 'promote': {
      demand(asked, snapshot, ['RUNNING', 'PAUSED']);
      const current = failed ?? snapshot.waves.find((wave) => wave.state === 'SOAKING');
      if (current === undefined) {
        throw new CommandRefusedError(
          'Expected a wave that soaks or has failed; the current one still has devices under way. Wait for them, or abort.',
        );
      }
      return [
        setWave(current.index, 'PASSED', 'promoted by a person'),
        setRollout('RUNNING', `${name(current.index)} was promoted by a person`),
      ];
    }
    case 'abort':
      demand(asked, snapshot, ['DRAFT', 'READY', 'RUNNING', 'PAUSED']);
      return [
        { kind: 'cancel', scope: 'all', which: 'unstarted', reason: 'the rollout was aborted' },
        setRollout('STOPPING', 'aborted by a person'),
      ];
    case 'undo':
      demand(asked, snapshot, ['RUNNING', 'PAUSED', 'STOPPING', 'STOPPED', 'FINISHED']);
      return rollBack('all', 'undone by a person');
  }
};
