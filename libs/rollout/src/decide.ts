import { type Decision, rollBack, setRollout, setWave, waveName } from './decision.ts';
import { planComparisons, type WaveComparison } from './gates/compared-gates.ts';
import { evaluateGate } from './gates/evaluate-gate.ts';
import { allEnded, type WaveFacts } from './gates/wave-facts.ts';
import { soakOf } from './soak.ts';
import { formatDuration } from './spec/duration.ts';
import type { RolloutSpec } from './spec/rollout-spec.ts';
import type { RolloutState, WaveState } from './states.ts';
import type { Strata } from './wave-plan.ts';

/** How long executions that have begun may still go on after `abort`, before they are ended by force. */
export const STOP_GRACE_SECONDS = 30;

export interface WaveSnapshot {
  readonly index: number;
  readonly state: WaveState;
  /** Executions that it has, or (while SCHEDULED) devices planned for it. */
  readonly planned: number;
  /** Devices that the plan gives it, by stratum. */
  readonly strata: Strata;
  /** Milliseconds since 1970; set from its start on. */
  readonly startedAt: number | null;
  /** Milliseconds since 1970; set while SOAKING. */
  readonly soakUntil: number | null;
  /** What it has shown: for a wave under way, and for one that has passed and has diverged devices or takes newcomers. */
  readonly facts: WaveFacts | null;
}

/** A rollout as the database has it at one moment. */
export interface RolloutSnapshot {
  readonly state: RolloutState;
  /** Milliseconds since 1970 when it came into this state. */
  readonly stateSince: number;
  readonly spec: Pick<RolloutSpec, 'strategy' | 'gates' | 'onFailure' | 'onUncertain' | 'newcomers'>;
  /** Devices that the plan holds back until the last wave, by stratum. */
  readonly control: Strata;
  readonly waves: readonly WaveSnapshot[];
  /** Executions that have not ended: those that install, and those that bring devices back. */
  readonly open: { readonly install: number; readonly rollback: number };
  /** Whether it is time to look for devices that have begun to fit: that reads them all, and is not done at every look. */
  readonly looksForNewcomers: boolean;
  /** The rollout that goes on with newcomers in its place, in words; null: none does. */
  readonly overtakenBy: string | null;
}

const failWave = (snapshot: RolloutSnapshot, wave: number, words: string): Decision[] => {
  const reason = `${waveName(wave)} ${words}`;
  const failed = setWave(wave, 'FAILED', words);
  switch (snapshot.spec.onFailure) {
    case 'pause':
      return [failed, setRollout('PAUSED', reason)];
    case 'rollback-wave':
      // A wave that had passed may fail while a later one is under way, of which nobody would be told any more.
      return [failed, { kind: 'cancel', scope: 'all', which: 'unstarted', reason }, ...rollBack({ wave }, reason)];
    case 'rollback-all':
      return [failed, ...rollBack('all', reason)];
  }
};

/** Devices that are gone, or that another rollout has: they say nothing of the release. */
const leftBy = ({ counts }: WaveFacts): number => (counts.CANCELED ?? 0) + (counts.REMOVED ?? 0);

const judgeWave = (
  snapshot: RolloutSnapshot,
  wave: WaveSnapshot,
  facts: WaveFacts,
  compared: WaveComparison | undefined,
  now: number,
): Decision[] => {
  if (wave.state === 'RUNNING' && leftBy(facts) >= wave.planned) {
    // Its devices left, or other rollouts have them. Nobody is there whom a gate could wait for.
    return snapshot.state === 'RUNNING' ? [setWave(wave.index, 'SKIPPED', 'no device is left for it')] : [];
  }
  const ended = allEnded(facts, wave.planned);
  const soaked =
    wave.state === 'PASSED' || (wave.state === 'SOAKING' && wave.soakUntil !== null && now >= wave.soakUntil);
  const isFinal = ended && soaked;
  const results = snapshot.spec.gates
    .map((gate) => evaluateGate(gate, facts, isFinal, compared))
    .filter((result) => result !== undefined);
  const decisions: Decision[] = [{ kind: 'record-gates', wave: wave.index, results }];
  const failed = results.find((result) => result.verdict === 'fail');
  if (failed !== undefined) return [...decisions, ...failWave(snapshot, wave.index, failed.words)];
  if (wave.state === 'PASSED' || snapshot.state !== 'RUNNING') return decisions;
  if (wave.state === 'RUNNING' && ended) {
    const soak = soakOf(snapshot.spec.strategy, wave.index, compared);
    const words = `all ended; soaking for ${formatDuration(soak)}`;
    return [...decisions, setWave(wave.index, 'SOAKING', words, now + soak * 1000)];
  }
  if (!isFinal) return decisions;
  const unsure = results.find((result) => result.verdict === 'not-enough');
  if (unsure === undefined) return [...decisions, setWave(wave.index, 'PASSED', 'all gates passed')];
  if (snapshot.spec.onUncertain === 'pass') {
    return [...decisions, setWave(wave.index, 'PASSED', `onUncertain is pass: ${unsure.gate} ${unsure.words}`)];
  }
  // Silence is no proof: a person decides, by promote or undo.
  return [...decisions, setRollout('PAUSED', `${waveName(wave.index)}: ${unsure.words}; promote or undo it`)];
};

const goOn = (snapshot: RolloutSnapshot): Decision[] => {
  const next = snapshot.waves.find((wave) => wave.state === 'SCHEDULED');
  if (next !== undefined) {
    // The last one may find somebody who has come since the plan was made.
    const isEmpty = next.planned === 0 && next.index < snapshot.waves.length - 1;
    return isEmpty
      ? [setWave(next.index, 'SKIPPED', 'no device is left for it')]
      : [{ kind: 'start-wave', wave: next.index }];
  }
  if (snapshot.spec.newcomers !== 'continue') return [setRollout('FINISHED', 'all waves have passed')];
  if (snapshot.overtakenBy === null || snapshot.open.install > 0) return [];
  return [setRollout('FINISHED', `${snapshot.overtakenBy} goes on with newcomers in its place`)];
};

/** Whether the last wave still takes devices: so long only that a rollout which shall end does, however many come. */
const takesNewcomers = ({ spec, overtakenBy }: RolloutSnapshot, last: WaveSnapshot, now: number): boolean => {
  switch (last.state) {
    case 'RUNNING':
      return last.startedAt !== null && now < last.startedAt + spec.strategy.deadline * 1000;
    case 'SOAKING':
      return last.soakUntil !== null && now < last.soakUntil;
    case 'PASSED':
    case 'SKIPPED':
      return spec.newcomers === 'continue' && overtakenBy === null;
    default:
      return false;
  }
};

const lookForNewcomers = (snapshot: RolloutSnapshot, now: number): Decision[] => {
  const last = snapshot.waves.at(-1);
  if (last === undefined || snapshot.state !== 'RUNNING') return [];
  if (last.state === 'SKIPPED' && snapshot.open.install > 0) {
    return [setWave(last.index, 'RUNNING', 'devices have come for it')];
  }
  return snapshot.looksForNewcomers && takesNewcomers(snapshot, last, now)
    ? [{ kind: 'join-wave', wave: last.index }]
    : [];
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
      const compared = planComparisons(
        snapshot.spec.gates,
        snapshot.waves.map(({ strata }) => strata),
        snapshot.control,
      );
      for (const wave of snapshot.waves) {
        if (wave.facts === null) continue;
        const made = judgeWave(snapshot, wave, wave.facts, compared[wave.index], now);
        decisions.push(...made);
        if (made.some((decision) => decision.kind === 'set-rollout')) return decisions;
      }
      const newcomers = lookForNewcomers(snapshot, now);
      decisions.push(...newcomers);
      if (newcomers.some(({ kind }) => kind === 'set-wave')) return decisions;
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
        ? [setRollout('ROLLED_BACK', 'every device was brought back, has passed its deadline, or has another rollout')]
        : [];
    default:
      return [];
  }
};
