import type { Gate } from './rollout-spec.ts';
import { type ExecutionState, FAILURE_STATES, isEndedExecution, SUCCESS_STATES } from './states.ts';

/** What a wave has shown so far. */
export interface WaveFacts {
  readonly counts: Readonly<Partial<Record<ExecutionState, number>>>;
  /** Executions that had succeeded and whose device then ran something else. */
  readonly diverged: number;
  /** Of the devices of this wave, with the release of this rollout, since each switched to it. */
  readonly devices: readonly DeviceMeasurements[];
}

export interface DeviceMeasurements {
  readonly frames: number;
  readonly lowConfidence: number;
  /** The newest window's, in milliseconds; null when it had no frame. */
  readonly latencyP95Ms: number | null;
  /** The accelerator that was asked for is not the one in use. */
  readonly fellBack: boolean;
}

export interface GateResult {
  /** Which gate, as written in the specification. */
  readonly gate: string;
  readonly verdict: 'pass' | 'fail' | 'not-enough';
  /** What was measured; null when there was nothing to measure. */
  readonly estimate: number | null;
  readonly bound: number;
  /** On how many executions, devices or frames it rests. */
  readonly evidence: number;
  /** The judgement as a sentence. */
  readonly words: string;
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

const sum = (facts: WaveFacts, states: readonly ExecutionState[]): number =>
  states.reduce((total, state) => total + (facts.counts[state] ?? 0), 0);

const endedCount = (facts: WaveFacts): number =>
  Object.entries(facts.counts).reduce(
    (n, [state, count]) => (isEndedExecution(state as ExecutionState) ? n + count : n),
    0,
  );

/** Devices that the release was tried on and that have ended; canceled ones say nothing about it. */
const triedCount = (facts: WaveFacts): number => sum(facts, [...FAILURE_STATES, ...SUCCESS_STATES]);

/** A count under the minimum does not speak, but when nothing more can come it is judged on what there is. */
const judged = (
  result: Omit<GateResult, 'verdict' | 'words'>,
  fails: boolean,
  enough: boolean,
  isFinal: boolean,
  words: string,
  minimum: string,
): GateResult => {
  if (!enough && (!isFinal || result.evidence === 0)) {
    return { ...result, verdict: 'not-enough', words: `cannot tell yet: ${words}; ${minimum} are needed` };
  }
  const scarce = enough ? '' : ` (fewer than the ${minimum} asked for, and no more to come)`;
  return { ...result, verdict: fails ? 'fail' : 'pass', words: `${fails ? 'stopped' : 'passed'}: ${words}${scarce}` };
};

/**
 * Judges one gate. Rates are of what has ended, never of what is planned.
 * @param isFinal every execution of the wave has ended and its soak is over: nothing more will come
 */
export const evaluateGate = (gate: Gate, facts: WaveFacts, isFinal: boolean): GateResult => {
  if ('execution' in gate) {
    const { maxFailureRate, minimum } = gate.execution;
    const tried = triedCount(facts);
    const failed = sum(facts, FAILURE_STATES) + facts.diverged;
    const estimate = tried === 0 ? null : failed / tried;
    const words = `${failed} of ${tried} devices failed, at most ${percent(maxFailureRate)} allowed`;
    const result = { gate: 'execution', estimate, bound: maxFailureRate, evidence: tried };
    return judged(
      result,
      (estimate ?? 0) > maxFailureRate,
      tried >= minimum,
      isFinal,
      words,
      `${minimum} ended executions`,
    );
  }
  if ('success' in gate) {
    const { minSuccessRate, minimum } = gate.success;
    const tried = triedCount(facts);
    const succeeded = Math.max(0, sum(facts, SUCCESS_STATES) - facts.diverged);
    const estimate = tried === 0 ? null : succeeded / tried;
    const words = `${succeeded} of ${tried} devices succeeded, at least ${percent(minSuccessRate)} wanted`;
    const result = { gate: 'success', estimate, bound: minSuccessRate, evidence: tried };
    return judged(
      result,
      (estimate ?? 1) < minSuccessRate,
      tried >= minimum,
      isFinal,
      words,
      `${minimum} ended executions`,
    );
  }
  if ('lowConfidenceRate' in gate) {
    const { max, minimumFrames, minimumDevices } = gate.lowConfidenceRate;
    const measured = facts.devices.filter((device) => device.frames > 0);
    const frames = measured.reduce((total, device) => total + device.frames, 0);
    const low = measured.reduce((total, device) => total + device.lowConfidence, 0);
    const estimate = frames === 0 ? null : low / frames;
    const words = `unsure of ${percent(estimate ?? 0)} of ${frames} frames on ${measured.length} devices, at most ${percent(max)} allowed`;
    const enough = frames >= minimumFrames && measured.length >= minimumDevices;
    const result = { gate: 'lowConfidenceRate', estimate, bound: max, evidence: frames };
    const minimum = `${minimumFrames} frames on ${minimumDevices} devices`;
    return judged(result, (estimate ?? 0) > max, enough, isFinal, words, minimum);
  }
  if ('latencyP95' in gate) {
    const { maxMs, minimumDevices } = gate.latencyP95;
    const times = facts.devices.map((device) => device.latencyP95Ms).filter((time) => time !== null);
    const slow = times.filter((time) => time > maxMs).length;
    const worst = times.reduce<number | null>((most, time) => (most === null || time > most ? time : most), null);
    const words = `${slow} of ${times.length} devices are over ${maxMs} ms at p95${worst === null ? '' : ` (the slowest ${worst.toFixed(1)} ms)`}`;
    const result = { gate: 'latencyP95', estimate: worst, bound: maxMs, evidence: times.length };
    return judged(
      result,
      slow > 0,
      times.length >= minimumDevices,
      isFinal,
      words,
      `${minimumDevices} measured devices`,
    );
  }
  const fallen = facts.devices.filter((device) => device.fellBack).length;
  const { max } = gate.acceleratorFallback;
  const words = `${fallen} of ${facts.devices.length} devices lost their accelerator, at most ${max} allowed`;
  const result = { gate: 'acceleratorFallback', estimate: fallen, bound: max, evidence: facts.devices.length };
  return judged(result, fallen > max, facts.devices.length > 0, isFinal, words, '1 measured devices');
};

/** Whether every execution of a wave has ended. */
export const allEnded = (facts: WaveFacts, planned: number): boolean => endedCount(facts) >= planned;
