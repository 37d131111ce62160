import { comparisonOf, type Gate, gateName } from '../spec/gate-spec.ts';
import { evaluateComparison, type WaveComparison } from './compared-gates.ts';
import { ofDrift, ofExecutions, ofFallbacks, ofSuccesses } from './counted-gates.ts';
import { judged, type Measured } from './judged.ts';
import { ofLatency, ofLowConfidence } from './measured-gates.ts';
import type { GateResult, WaveFacts } from './wave-facts.ts';

const measure = (gate: Gate, facts: WaveFacts): Measured | undefined => {
  if ('execution' in gate) return ofExecutions(gate.execution, facts);
  if ('success' in gate) return ofSuccesses(gate.success, facts);
  if ('drift' in gate) return ofDrift(gate.drift, facts);
  if ('acceleratorFallback' in gate) return ofFallbacks(gate.acceleratorFallback, facts);
  if ('latencyP95' in gate) return 'maxMs' in gate.latencyP95 ? ofLatency(gate.latencyP95, facts) : undefined;
  return 'max' in gate.lowConfidenceRate ? ofLowConfidence(gate.lowConfidenceRate, facts) : undefined;
};

/**
 * Judges one gate. Rates are of the devices that were told, never of those that are planned.
 * @param isFinal every execution of the wave has ended and its soak is over: nothing more will come
 * @param compared what the wave can be compared by; undefined for the last, which has no control group any more
 * @returns undefined for a comparison on a wave that has none
 */
export const evaluateGate = (
  gate: Gate,
  facts: WaveFacts,
  isFinal: boolean,
  compared: WaveComparison | undefined,
): GateResult | undefined => {
  const comparison = comparisonOf(gate);
  if (comparison !== undefined) {
    return compared === undefined ? undefined : evaluateComparison(comparison, gateName(gate), facts, compared);
  }
  const measured = measure(gate, facts);
  return measured === undefined ? undefined : judged(measured, isFinal);
};
