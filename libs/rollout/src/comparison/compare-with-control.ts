import { demandBetween, demandCount } from './comparison-input-error.ts';
import { centreOf, lowerBound } from './estimate.ts';
import { type ComparisonScale, effectInWords, marginInWords, toChange, toEffect } from './scale.ts';
import { testBothSides } from './two-sided-test.ts';

/** What is asked of a wave and its control group. */
export interface ComparisonQuestion {
  /** As it is called in sentences, e.g. `p95`. More of it is worse. */
  readonly metric: string;
  readonly scale: ComparisonScale;
  /** How much worse is still acceptable: `0.15` is 15 % on the scale `ratio`, 15 percentage points on `difference`. */
  readonly margin: number;
  /** How often, at most, a release is called worse that is not, however often one looks. From `splitLevel`. */
  readonly level: number;
  /** The same for "not worse" of a release that is; `level` when it is left out. */
  readonly notWorseLevel?: number;
  /** How many pairs can come at most (`mostPairs`); without it nothing is said about what can still be decided. */
  readonly plannedPairs?: number;
}

export type ComparisonVerdict = 'worse' | 'not-worse' | 'cannot-tell';

/** Effects are as a person says them: `0.31` is +31 % on the scale `ratio`, 31 percentage points on `difference`. */
export interface ComparisonResult {
  readonly verdict: ComparisonVerdict;
  /** The wave against the control group; null before the first pair. */
  readonly estimate: number | null;
  /** The true effect is above it, with probability 1 − level at all times together; null when that cannot be said yet. */
  readonly lower: number | null;
  /** The true effect is below it, with probability 1 − notWorseLevel at all times together. */
  readonly upper: number | null;
  /** E-values: 1 is none, 1/level decides. One that has decided stays as it was then. */
  readonly evidence: { readonly worse: number; readonly notWorse: number };
  /** Pairs that were looked at; a stop is final, so what arrived after it is not among them. */
  readonly pairs: number;
  /** After how many pairs the verdict was reached; null when it cannot tell. */
  readonly decidedAfter: number | null;
  /** So many more pairs are needed at the least; 0 when it is decided. */
  readonly morePairs: number;
  /** The judgement as a sentence. */
  readonly words: string;
}

const devices = (count: number): string => `${count} device${count === 1 ? '' : 's'}`;
const pairsInWords = (count: number): string => `${count} more pair${count === 1 ? '' : 's'}`;

const demandQuestion = ({ margin, level, notWorseLevel, plannedPairs }: ComparisonQuestion): void => {
  demandBetween('the margin of a comparison', margin, 0, Number.POSITIVE_INFINITY);
  demandBetween('the level of a comparison', level, 0, 1);
  if (notWorseLevel !== undefined) demandBetween('the level for "not worse"', notWorseLevel, 0, 1);
  if (plannedPairs !== undefined) demandCount('the planned pairs', plannedPairs);
};

const whyNot = (
  question: ComparisonQuestion,
  pairs: number,
  morePairs: number,
  measured: string | undefined,
): string => {
  const seen = measured ?? `no pair of devices has measured ${question.metric}`;
  const left = question.plannedPairs === undefined ? Number.POSITIVE_INFINITY : question.plannedPairs - pairs;
  const needed = `at least ${pairsInWords(morePairs)} ${morePairs === 1 ? 'is' : 'are'} needed`;
  if (left >= morePairs) return `cannot tell yet: ${seen}; ${needed}`;
  return `cannot tell: ${seen}; ${needed}, ${left <= 0 ? 'and no more can come' : `and at most ${left} can come`}`;
};

/**
 * Whether a wave is worse than its control group, by more than a margin. May be asked after every pair: the guarantees
 * hold for all times together. "Worse" wins: a wave that was found not worse, and then worse, is worse.
 *
 * The result follows from the list alone, so a replay gives the same. A stop on a beginning of the list is the very same
 * stop on the whole of it.
 * @param differences of each pair, in the stored order of arrival (`pairInOrder`), on the scale of changes (`changeOf`)
 * @throws ComparisonInputError
 */
export const compareWithControl = (differences: readonly number[], question: ComparisonQuestion): ComparisonResult => {
  demandQuestion(question);
  const { scale, level, notWorseLevel = level } = question;
  const margin = toChange(scale, question.margin);
  const { pairs, reach, worse, notWorse } = testBothSides(differences, margin, level, notWorseLevel);
  const seen = differences.slice(0, pairs);
  const above = lowerBound(seen, margin, reach, level);
  const mirrored = seen.map((difference) => -difference);
  const below = lowerBound(mirrored, -margin, reach, notWorseLevel);
  const estimate = pairs === 0 ? null : toEffect(scale, centreOf(seen, reach));
  const measured =
    estimate === null
      ? undefined
      : `${question.metric} ${effectInWords(scale, estimate)} against control, margin ${marginInWords(scale, question.margin)}, after ${devices(pairs)}`;
  const decidedAfter = worse.decidedAfter ?? notWorse.decidedAfter;
  const morePairs = decidedAfter === null ? Math.min(worse.morePairs, notWorse.morePairs) : 0;
  const judge = (): { verdict: ComparisonVerdict; words: string } => {
    if (worse.decidedAfter !== null) return { verdict: 'worse', words: `stopped: ${measured}` };
    if (notWorse.decidedAfter !== null) return { verdict: 'not-worse', words: `passed: ${measured}` };
    return { verdict: 'cannot-tell', words: whyNot(question, pairs, morePairs, measured) };
  };
  return {
    ...judge(),
    estimate,
    lower: above === null ? null : toEffect(scale, above),
    upper: below === null ? null : toEffect(scale, -below),
    evidence: { worse: worse.evidence, notWorse: notWorse.evidence },
    pairs,
    decidedAfter,
    morePairs,
  };
};
