import { z } from 'zod';
import { positiveShare, share } from './scalars.ts';

const count = z.int();
/** Below so many a gate does not speak. */
const minimum = (fallback: number) => count.positive().default(fallback);

/** Compared with the devices that are held back, by `comparison/`. */
const versus = z.literal('control', 'expected control: the devices that are held back until the last wave');

const execution = z.strictObject({ maxFailureRate: share, minimum: minimum(1) });
const success = z.strictObject({ minSuccessRate: share, minimum: minimum(1) });
const lowConfidenceLimit = z.strictObject({ max: share, minimumFrames: minimum(100), minimumDevices: minimum(1) });
const lowConfidenceComparison = z.strictObject({
  versus,
  margin: positiveShare.describe('how much more of the answers may be unsure, e.g. 0.03'),
});
const latencyLimit = z.strictObject({ maxMs: z.number().positive(), minimumDevices: minimum(1) });
const latencyComparison = z.strictObject({
  versus,
  margin: positiveShare.describe('how much slower it may be, e.g. 15%'),
});
const drift = z.strictObject({ maxAlerts: share, minimum: minimum(1) });
const acceleratorFallback = z.strictObject({ max: count.nonnegative() });

/** An absolute limit, or a comparison; which one is meant is told by `versus`. */
const either = <L extends z.ZodObject, C extends z.ZodObject>(limit: L, comparison: C) =>
  z.union([limit, comparison], {
    error: `expected ${Object.keys(limit.shape)[0]}, or versus: control with a margin`,
  });

const GATES = 'execution, success, lowConfidenceRate, latencyP95, drift, acceleratorFallback';

/** One gate of a rollout; each knows the number below which it does not speak. */
export const gateSchema = z.union(
  [
    z.strictObject({ execution }),
    z.strictObject({ success }),
    z.strictObject({ lowConfidenceRate: either(lowConfidenceLimit, lowConfidenceComparison) }),
    z.strictObject({ latencyP95: either(latencyLimit, latencyComparison) }),
    z.strictObject({ drift }),
    z.strictObject({ acceleratorFallback }),
  ],
  { error: `expected one of ${GATES} with its own settings` },
);
export type Gate = z.output<typeof gateSchema>;

/** What a wave is compared with its control group by. */
export const COMPARED_METRICS = ['latencyP95', 'lowConfidenceRate'] as const;
export type ComparedMetric = (typeof COMPARED_METRICS)[number];

export interface Comparison {
  readonly metric: ComparedMetric;
  /** Latency: how much slower, 0.15 for 15 %. Rate: how much more, in shares of the answers. */
  readonly margin: number;
}

/** What a gate compares with the control group, if it does. */
export const comparisonOf = (gate: Gate): Comparison | undefined => {
  if ('latencyP95' in gate && 'versus' in gate.latencyP95) {
    return { metric: 'latencyP95', margin: gate.latencyP95.margin };
  }
  if ('lowConfidenceRate' in gate && 'versus' in gate.lowConfidenceRate) {
    return { metric: 'lowConfidenceRate', margin: gate.lowConfidenceRate.margin };
  }
  return undefined;
};

/** How the comparison of a metric is called where its results are kept. */
export const comparisonName = (metric: ComparedMetric): string => `${metric} versus control`;

/** How a gate is called where its results are kept; a limit and a comparison of one metric are two. */
export const gateName = (gate: Gate): string => {
  const [name = ''] = Object.keys(gate);
  const comparison = comparisonOf(gate);
  return comparison === undefined ? name : comparisonName(comparison.metric);
};
