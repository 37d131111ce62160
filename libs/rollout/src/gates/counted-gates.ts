import type { Gate } from '../spec/gate-spec.ts';
import { type ExecutionState, FAILURE_STATES, SUCCESS_STATES } from '../states.ts';
import { type Measured, percent } from './judged.ts';
import type { WaveFacts } from './wave-facts.ts';

type GateOf<K extends string> = Extract<Gate, Record<K, unknown>>[K & keyof Extract<Gate, Record<K, unknown>>];

const sum = (facts: WaveFacts, states: readonly ExecutionState[]): number =>
  states.reduce((total, state) => total + (facts.counts[state] ?? 0), 0);

/** Devices that were told and have not come to an end; who waits for a window or for consent is `DOWNLOADED`, and not among them. */
const AT_IT = ['NOTIFIED', 'DOWNLOADING', 'VERIFIED', 'PREPARING', 'INSTALLING', 'PROBATION'] as const;

/**
 * What the release was tried on; canceled devices say nothing about it. A failure comes within seconds and a success after a
 * probation, so that of those that have ended first nearly all have failed: who is still at it counts with neither of them,
 * and with the whole.
 */
const triedIn = (facts: WaveFacts) => {
  const ended = sum(facts, [...FAILURE_STATES, ...SUCCESS_STATES]);
  const atIt = sum(facts, AT_IT);
  return {
    ended,
    atIt,
    all: ended + atIt,
    still: atIt === 0 ? '' : ` (${atIt} ${atIt === 1 ? 'is' : 'are'} still at it)`,
  };
};

/** How many of the tried failed. */
export const ofExecutions = ({ maxFailureRate, minimum }: GateOf<'execution'>, facts: WaveFacts): Measured => {
  const { ended, all, still } = triedIn(facts);
  const failed = sum(facts, FAILURE_STATES) + facts.diverged;
  const estimate = ended === 0 ? null : failed / all;
  return {
    result: { gate: 'execution', estimate, bound: maxFailureRate, evidence: ended },
    fails: (estimate ?? 0) > maxFailureRate,
    enough: ended >= minimum,
    words: `${failed} of ${all} devices failed${still}, at most ${percent(maxFailureRate)} allowed`,
    minimum: `${minimum} ended executions`,
  };
};

/** How many of the tried succeeded, or still may. */
export const ofSuccesses = ({ minSuccessRate, minimum }: GateOf<'success'>, facts: WaveFacts): Measured => {
  const { ended, atIt, all, still } = triedIn(facts);
  const succeeded = Math.max(0, sum(facts, SUCCESS_STATES) - facts.diverged);
  const estimate = ended === 0 ? null : (succeeded + atIt) / all;
  return {
    result: { gate: 'success', estimate, bound: minSuccessRate, evidence: ended },
    fails: (estimate ?? 1) < minSuccessRate,
    enough: ended >= minimum,
    words: `${succeeded} of ${all} devices succeeded${still}, at least ${percent(minSuccessRate)} wanted`,
    minimum: `${minimum} ended executions`,
  };
};

/** How many of those that were looked at see another world than the release was made for. */
export const ofDrift = ({ maxAlerts, minimum }: GateOf<'drift'>, facts: WaveFacts): Measured => {
  const watched = facts.devices.filter(({ drifts }) => drifts !== null);
  const drifting = watched.filter(({ drifts }) => drifts === true).length;
  const estimate = watched.length === 0 ? null : drifting / watched.length;
  return {
    result: { gate: 'drift', estimate, bound: maxAlerts, evidence: watched.length },
    fails: (estimate ?? 0) > maxAlerts,
    enough: watched.length >= minimum,
    words: `${drifting} of ${watched.length} watched devices drift, at most ${percent(maxAlerts)} allowed`,
    minimum: `${minimum} devices watched for drift`,
  };
};

/** How many lost the accelerator that they asked for. */
export const ofFallbacks = ({ max }: GateOf<'acceleratorFallback'>, { devices }: WaveFacts): Measured => {
  const fallen = devices.filter(({ fellBack }) => fellBack).length;
  return {
    result: { gate: 'acceleratorFallback', estimate: fallen, bound: max, evidence: devices.length },
    fails: fallen > max,
    enough: devices.length > 0,
    words: `${fallen} of ${devices.length} devices lost their accelerator, at most ${max} allowed`,
    minimum: '1 measured devices',
  };
};
