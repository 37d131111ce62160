import { againstMargin, BettingTest, decidingLogWealth } from './betting-test.ts';

/** Halvings until the interval is as narrow as a double can tell. */
const HALVINGS = 60;
/** Steps of the grid of bounds in a reach: for a margin of 15 % about 0.7 percentage points each. */
const STEPS_PER_REACH = 40;
/** As far as bounds are looked for, in reaches around the margin. */
const REACHES_BELOW = 5;
const REACHES_ABOVE = 10;

/**
 * The mean of the differences, where each counts at most `reach` away from it: the centre around which they balance.
 * Without outliers it is the plain mean. It is what the bounds close in on. Source: P. Huber, "Robust estimation of a
 * location parameter", Annals of Mathematical Statistics 35(1), 1964.
 * @param differences at least one
 */
export const centreOf = (differences: readonly number[], reach: number): number => {
  let low = differences.reduce((least, difference) => Math.min(least, difference), Number.POSITIVE_INFINITY);
  let high = differences.reduce((most, difference) => Math.max(most, difference), Number.NEGATIVE_INFINITY);
  for (let halving = 0; halving < HALVINGS && low < high; halving += 1) {
    const middle = (low + high) / 2;
    const balance = differences.reduce((sum, difference) => sum + againstMargin(difference, middle, reach), 0);
    if (balance === 0) return middle;
    if (balance > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

const isAbove = (candidate: number, differences: readonly number[], reach: number, level: number): boolean => {
  const test = new BettingTest();
  const decided = decidingLogWealth(level);
  return differences.some((difference) => {
    test.observe(againstMargin(difference, candidate, reach));
    return test.logWealth >= decided;
  });
};

/**
 * A bound that the true difference is above, with probability 1 − level at all times together: the test against the
 * margin is made against every candidate of a grid, from below; the bound is the last one before the first that
 * stands. (The first that stands: wealth need not fall evenly from candidate to candidate, and with any other choice the
 * bound would hold only if it did.)
 * @returns null when there is none yet
 */
export const lowerBound = (
  differences: readonly number[],
  margin: number,
  reach: number,
  level: number,
): number | null => {
  let bound: number | null = null;
  for (let step = -REACHES_BELOW * STEPS_PER_REACH; step <= REACHES_ABOVE * STEPS_PER_REACH; step += 1) {
    const candidate = margin + (step / STEPS_PER_REACH) * reach;
    if (!isAbove(candidate, differences, reach, level)) return bound;
    bound = candidate;
  }
  return bound;
};
