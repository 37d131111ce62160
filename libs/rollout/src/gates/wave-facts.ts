import type { ComparedMetric } from '../spec/gate-spec.ts';
import { type ExecutionState, isEndedExecution } from '../states.ts';

/** What a wave has shown so far. */
export interface WaveFacts {
  readonly counts: Readonly<Partial<Record<ExecutionState, number>>>;
  /** Executions that had succeeded and whose device then ran something else. */
  readonly diverged: number;
  /** Of the devices of this wave, with the release of this rollout, since each switched to it. */
  readonly devices: readonly DeviceMeasurements[];
  /**
   * Each device of the wave against one of the control group, in the order in which they were measured: how much more its
   * metric changed. Latency as a difference of logarithms, a rate as a difference of shares.
   */
  readonly differences: Readonly<Record<ComparedMetric, readonly number[]>>;
}

export interface DeviceMeasurements {
  readonly frames: number;
  readonly lowConfidence: number;
  /** The newest window's, in milliseconds; null when it had no frame. */
  readonly latencyP95Ms: number | null;
  /** The accelerator that was asked for is not the one in use. */
  readonly fellBack: boolean;
  /** Whether an alert of drift is open on it; null as long as nobody has looked. */
  readonly drifts: boolean | null;
}

/** What a comparison with the control group rests on. */
export interface ComparisonEvidence {
  /** The true effect lies between them, at all times together; null where that cannot be said. */
  readonly lower: number | null;
  readonly upper: number | null;
  /** E-values: 1 is none, `eDecides` decides. */
  readonly eWorse: number;
  readonly eNotWorse: number;
  readonly eDecides: number;
}

export interface GateResult {
  /** Which gate, as `gateName` calls it. */
  readonly gate: string;
  readonly verdict: 'pass' | 'fail' | 'not-enough';
  /** What was measured; null when there was nothing to measure. */
  readonly estimate: number | null;
  readonly bound: number;
  /** On how many executions, devices, frames or pairs it rests. */
  readonly evidence: number;
  /** The judgement as a sentence. */
  readonly words: string;
  /** Of a comparison only. */
  readonly comparison?: ComparisonEvidence;
}

const endedCount = ({ counts }: Pick<WaveFacts, 'counts'>): number =>
  Object.entries(counts).reduce((n, [state, count]) => (isEndedExecution(state as ExecutionState) ? n + count : n), 0);

/** Whether every execution of a wave has ended. */
export const allEnded = (facts: Pick<WaveFacts, 'counts'>, planned: number): boolean => endedCount(facts) >= planned;
