import { againstMargin, BettingTest, decidingLogWealth } from './betting-test.ts';
import { demandBetween, demandCount } from './comparison-input-error.ts';
import { normalQuantile } from './normal-quantile.ts';
import { type ComparisonScale, toChange, toEffect } from './scale.ts';
import { reachOf } from './two-sided-test.ts';

export interface SmallestHarmQuestion {
  /** How many pairs the wave can come to (`mostPairs`). */
  readonly pairs: number;
  readonly scale: ComparisonScale;
  /** As in `ComparisonQuestion`. */
  readonly margin: number;
  readonly level: number;
  /** The standard deviation of the difference of a *pair*, on the scale of changes; that of one device is a √2th of it. */
  readonly sigma?: number;
  /** How often the harm shall be found; 0.9 when it is left out. */
  readonly power?: number;
}

/** Both as a person says them, like the margin: `0.3` is +30 % on the scale `ratio`. */
export interface SmallestHarm {
  /** A smaller harm cannot be found by so many pairs even if nothing is noisy; null when no harm at all can be. */
  readonly floor: number | null;
  /** The smallest harm that is found with the power asked for; null without a sigma, and when there is none. */
  readonly found: number | null;
}

/** Enough that the power is right to about ± 0.01, which moves the harm by less than a twentieth of sigma. */
const PATHS = 2000;
/** Equally likely values that stand for a normal variable. */
const SCORE_BITS = 10;
const SCORES = Float64Array.from({ length: 2 ** SCORE_BITS }, (_, index) =>
  normalQuantile((index + 0.5) / 2 ** SCORE_BITS),
);
/** With more pairs than this the answer is that for so many: near the margin, and more than a dry run should wait for. */
const MOST_PAIRS = 1000;
const HALVINGS = 12;

/** A number that looks drawn, and is the same for the same path and step: murmur3's last mixing of both. */
const mixed = (path: number, step: number): number => {
  let bits = Math.imul(path + 1, 0x9e3779b1) ^ Math.imul(step + 1, 0x85ebca77);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
};

const standardNoise = (path: number, step: number): number => SCORES[mixed(path, step) >>> (32 - SCORE_BITS)] ?? 0;

const smallest = (low: number, high: number, isFound: (change: number) => boolean): number | null => {
  if (!isFound(high)) return null;
  let [missed, found] = [low, high];
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (missed + found) / 2;
    if (isFound(middle)) found = middle;
    else missed = middle;
  }
  return found;
};

/**
 * The smallest harm that a wave can find, for the dry run: what the comparison of such a wave is worth, before it begins.
 * The floor is computed. The harm found with a given power is simulated on 2,000 rollouts with normal noise, whose
 * numbers are fixed: the same question has the same answer, and a larger sigma never a smaller one by chance. The same
 * tests as in `compareWithControl` run in it. Takes about a tenth of a second for a hundred pairs.
 * @throws ComparisonInputError
 */
export const smallestHarm = (question: SmallestHarmQuestion): SmallestHarm => {
  const { scale, level, sigma, power = 0.9 } = question;
  demandCount('the pairs of a wave', question.pairs);
  demandBetween('the margin of a comparison', question.margin, 0, Number.POSITIVE_INFINITY);
  demandBetween('the level of a comparison', level, 0, 1);
  demandBetween('the power', power, 0, 1);
  if (sigma !== undefined) demandBetween('the sigma of a pair', sigma, 0, Number.POSITIVE_INFINITY);
  const pairs = Math.min(question.pairs, MOST_PAIRS);
  const margin = toChange(scale, question.margin);
  const reach = reachOf(margin);
  const decided = decidingLogWealth(level);

  const decides = (differenceAt: (step: number) => number): boolean => {
    const test = new BettingTest();
    for (let step = 0; step < pairs; step += 1) {
      test.observe(againstMargin(differenceAt(step), margin, reach));
      if (test.logWealth >= decided) return true;
    }
    return false;
  };
  const floor = smallest(margin, margin + reach, (change) => decides(() => change));
  if (floor === null) return { floor: null, found: null };
  if (sigma === undefined) return { floor: toEffect(scale, floor), found: null };

  const needed = power * PATHS;
  const isFound = (change: number): boolean => {
    let count = 0;
    for (let path = 0; path < PATHS && count < needed; path += 1) {
      if (decides((step) => change + sigma * standardNoise(path, step))) count += 1;
    }
    return count >= needed;
  };
  // Five sigmas beyond what counts in full, every pair counts in full, as without noise.
  const found = smallest(floor, margin + reach + 5 * sigma, isFound);
  return { floor: toEffect(scale, floor), found: found === null ? null : toEffect(scale, found) };
};
