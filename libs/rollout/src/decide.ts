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
  readonly spec: Pick<RolloutSpec, 'strategy' | 'gates' | 'onFailure' | 'onUncertain'>;
  /** Devices that the plan holds back until the last wave, by stratum. */
  readonly control: Strata;
  readonly waves: readonly WaveSnapshot[];
  /** Executions that have not ended: those that install, and those that bring devices back. */
  readonly open: { readonly install: number; readonly rollback: number };
}

const failWave = (snapshot: RolloutSnapshot, wave: number, words: string): Decision[] => {
  const reason = `${waveName(wave)} ${words}`;
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

const judgeWave = (
  snapshot: RolloutSnapshot,
  wave: WaveSnapshot,
  facts: WaveFacts,
  compared: WaveComparison | undefined,
  now: number,
): Decision[] => {
  if (wave.state === 'RUNNING' && wave.planned === 0) {
    // Its devices left between the plan and the start. Nobody is there whom a gate could wait for.
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
    const soak = soakOf(snapshot.spec, wave.index, compared);
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
