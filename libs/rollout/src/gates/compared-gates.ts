import { fewestPairs } from '../comparison/betting-test.ts';
import { type ComparisonResult, compareWithControl } from '../comparison/compare-with-control.ts';
import { mostPairs } from '../comparison/pairing.ts';
import { type ComparisonScale, effectInWords, marginInWords } from '../comparison/scale.ts';
import { splitLevel } from '../comparison/split-level.ts';
import {
  COMPARED_METRICS,
  type ComparedMetric,
  type Comparison,
  comparisonName,
  comparisonOf,
  type Gate,
} from '../spec/gate-spec.ts';
import type { Strata } from '../wave-plan.ts';
import type { GateResult, WaveFacts } from './wave-facts.ts';

/** How often, at most, a rollout of a release that is not worse is stopped by its comparisons, all of them together. */
export const ROLLOUT_LEVEL = 0.05;

/** Pairs of one wave: what so many cannot tell is near the margin. */
export const MOST_PAIRS = 1_000;

/** How a compared metric is called in sentences, and how two values of it are set against each other. */
export const METRIC_SCALES = {
  latencyP95: { metric: 'p95', scale: 'ratio' },
  lowConfidenceRate: { metric: 'unsure answers', scale: 'difference' },
} as const satisfies Record<ComparedMetric, { metric: string; scale: ComparisonScale }>;

/** What a wave can be compared by. */
export interface WaveComparison {
  /** Of each of its comparisons; settled by the plan, before anything is measured. */
  readonly level: number;
  /** Pairs that it can come to. */
  readonly plannedPairs: number;
}

/** With fewer pairs than this a wave can never tell, whatever they show. */
export const neededPairs = ({ level }: Pick<WaveComparison, 'level'>): number => fewestPairs(level);

/** Whether it can ever tell. */
export const canDecide = (wave: WaveComparison): boolean => wave.plannedPairs >= neededPairs(wave);

const pairsOf = (wave: Strata, control: Strata): number => {
  const strata = Object.entries(wave).map(([stratum, size]) => ({ wave: size, control: control[stratum] ?? 0 }));
  return Math.min(MOST_PAIRS, mostPairs(strata));
};

/**
 * What each wave of a rollout can be compared by. The last one takes the control group, and is compared with nothing;
 * nor is any without such a gate.
 * @param waves devices that each adds, by stratum
 * @param control devices that are held back, by stratum
 */
export const planComparisons = (
  gates: readonly Gate[],
  waves: readonly Strata[],
  control: Strata,
): (WaveComparison | undefined)[] => {
  const metrics = gates.filter((gate) => comparisonOf(gate) !== undefined).length;
  if (metrics === 0) return waves.map(() => undefined);
  const pairs = waves.map((wave, index) => (index === waves.length - 1 ? 0 : pairsOf(wave, control)));
  const { level, compares } = splitLevel(ROLLOUT_LEVEL, metrics, pairs);
  const compared = compares.filter((is) => is).length;
  // A wave that takes no share is held to the level at which it was found to have too few pairs: what is split among the
  // others is all there is, and at their level it might decide after all.
  const levelOfOthers = ROLLOUT_LEVEL / (metrics * (compared + 1));
  return pairs.map((plannedPairs, index) =>
    index === waves.length - 1 ? undefined : { level: compares[index] ? level : levelOfOthers, plannedPairs },
  );
};

/** As much of a gate's result as is said in numbers. */
export interface ComparedResult extends Pick<GateResult, 'gate' | 'estimate' | 'bound' | 'evidence'> {
  readonly comparison?: GateResult['comparison'] | null;
}

const VERDICTS = { worse: 'fail', 'not-worse': 'pass', 'cannot-tell': 'not-enough' } as const satisfies Record<
  ComparisonResult['verdict'],
  GateResult['verdict']
>;

/** Whether a wave is worse than the devices that are held back, by more than the margin. */
export const evaluateComparison = (
  { metric, margin }: Comparison,
  gate: string,
  facts: Pick<WaveFacts, 'differences'>,
  { level, plannedPairs }: WaveComparison,
): GateResult => {
  const question = { ...METRIC_SCALES[metric], margin, level, plannedPairs };
  const { verdict, words, estimate, pairs, lower, upper, evidence } = compareWithControl(
    facts.differences[metric],
    question,
  );
  const comparison = { lower, upper, eWorse: evidence.worse, eNotWorse: evidence.notWorse, eDecides: 1 / level };
  return { gate, verdict: VERDICTS[verdict], estimate, bound: margin, evidence: pairs, words, comparison };
};

const twoDigits = (value: number): string => String(Number(value.toPrecision(2)));

/**
 * What a comparison has seen so far, in numbers: `p95 +12 % (−3 … +28 %), margin 15 %, 9 pairs, evidence 4 of 20`. The
 * evidence is the greater of its two e-values.
 * @returns undefined for a gate that compares nothing, or before its first pair
 */
export const comparisonInWords = ({
  gate,
  estimate,
  bound,
  evidence,
  comparison,
}: ComparedResult): string | undefined => {
  const compared = COMPARED_METRICS.find((name) => comparisonName(name) === gate);
  if (compared === undefined || comparison == null || estimate === null) return undefined;
  const { metric, scale } = METRIC_SCALES[compared];
  const { lower, upper, eWorse, eNotWorse, eDecides } = comparison;
  const bounds = [lower, upper].map((end) => (end === null ? '?' : effectInWords(scale, end))).join(' … ');
  const [greater, against] = eWorse >= eNotWorse ? [eWorse, 'worse'] : [eNotWorse, 'not worse'];
  return [
    `${metric} ${effectInWords(scale, estimate)} (${bounds})`,
    `margin ${marginInWords(scale, bound)}`,
    `${evidence} pair${evidence === 1 ? '' : 's'}`,
    `evidence ${twoDigits(greater)} of ${twoDigits(eDecides)} that it is ${against}`,
  ].join(', ');
};
