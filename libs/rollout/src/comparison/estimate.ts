import { againstMargin, BettingTest, decidingLogWealth } from './betting-test.ts';

/** Halvings of an interval: what is left is far finer than what is told. */
const HALVINGS = 40;

const extremes = (differences: readonly number[]): [least: number, most: number] =>
  differences.reduce<[number, number]>(
    ([least, most], difference) => [Math.min(least, difference), Math.max(most, difference)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );

/**
 * The mean of the differences, where each counts at most `reach` away from it: the centre around which they balance.
 * Without outliers it is the plain mean. It is what the bounds close in on. Source: P. Huber, "Robust estimation of a
 * location parameter", Annals of Mathematical Statistics 35(1), 1964.
 * @param differences at least one
 */
export const centreOf = (differences: readonly number[], reach: number): number => {
  let [low, high] = extremes(differences);
  for (let halving = 0; halving < HALVINGS && low < high; halving += 1) {
    const middle = (low + high) / 2;
    const balance = differences.reduce((sum, difference) => sum + againstMargin(difference, middle, reach), 0);
    if (balance === 0) return middle;
    if (balance > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

/**
 * A bound that the true difference is above, with probability 1 − level at all times together: the largest candidate that
 * the test refutes when it is made against the candidate instead of the margin, with the same stakes. A lower candidate
 * then wins more on each observation, so all below it are refuted as well, and the bound is at the margin or above
 * exactly when the release was found worse.
 * @returns null when there is none yet
 */
export const lowerBound = (
  differences: readonly number[],
  margin: number,
  reach: number,
  level: number,
): number | null => {
  const test = new BettingTest();
  const staked = differences.map((difference) => {
    const { stake } = test;
    test.observe(againstMargin(difference, margin, reach));
    return { difference, stake };
  });
  const decided = decidingLogWealth(level);
  const isAbove = (candidate: number): boolean => {
    let logWealth = 0;
    return staked.some(({ difference, stake }) => {
      logWealth += Math.log1p(stake * againstMargin(difference, candidate, reach));
      return logWealth >= decided;
    });
  };
  const [least, most] = extremes(differences);
  // From there down every observation counts in full, and from there up none wins.
  let [refuted, stands] = [Math.min(least - reach, margin), Math.max(most, margin)];
  if (!isAbove(refuted)) return null;
  if (isAbove(margin)) refuted = margin;
  else stands = margin;
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (refuted + stands) / 2;
    if (isAbove(middle)) refuted = middle;
    else stands = middle;
  }
  return refuted;
};
