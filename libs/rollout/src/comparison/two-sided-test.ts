import { againstMargin, BettingTest, decidingLogWealth, fewestPairs } from './betting-test.ts';
import { ComparisonInputError } from './comparison-input-error.ts';

/** One of the two tests, which stops betting when it has decided. */
class Side {
  readonly #test = new BettingTest();
  readonly #level: number;
  #decidedAfter: number | null = null;

  constructor(level: number) {
    this.#level = level;
  }

  observe(observation: number, pairs: number): void {
    if (this.#decidedAfter !== null) return;
    this.#test.observe(observation);
    if (this.#test.logWealth >= decidingLogWealth(this.#level)) this.#decidedAfter = pairs;
  }

  /** After how many pairs; null as long as it has not. */
  get decidedAfter(): number | null {
    return this.#decidedAfter;
  }

  /** The e-value. */
  get evidence(): number {
    return Math.exp(this.#test.logWealth);
  }

  /** How many more pairs it needs at the least. */
  get morePairs(): number {
    return fewestPairs(this.#level, this.#test.logWealth);
  }
}

interface BothSides {
  /** Pairs looked at: all, or those up to a stop. */
  readonly pairs: number;
  /** As far from the margin as a difference counts. */
  readonly reach: number;
  readonly worse: Side;
  readonly notWorse: Side;
}

/** As far from the margin as a difference counts: a release as good as before is half of that away. */
export const reachOf = (margin: number): number => 2 * margin;

/**
 * Tests "not above the margin" and "not below the margin" on the same differences, up to where the first is refuted.
 *
 * The window in which a difference counts is symmetric about the margin. The difference of two devices of one kind is as
 * likely up as down around the true effect, so the mean in the window is at the margin when the release is, however
 * noisy and skewed each device is. A window that begins at "no change" would have it above.
 * @param differences and the margin on the scale of changes
 * @throws ComparisonInputError when a difference is not a finite number
 */
export const testBothSides = (
  differences: readonly number[],
  margin: number,
  level: number,
  notWorseLevel: number,
): BothSides => {
  const reach = reachOf(margin);
  const worse = new Side(level);
  const notWorse = new Side(notWorseLevel);
  let pairs = 0;
  for (const difference of differences) {
    if (!Number.isFinite(difference)) {
      throw new ComparisonInputError(
        `expected the difference of pair ${pairs + 1} to be a finite number, got ${difference}; leave pairs out that measured nothing`,
      );
    }
    pairs += 1;
    const observation = againstMargin(difference, margin, reach);
    worse.observe(observation, pairs);
    notWorse.observe(-observation, pairs);
    if (worse.decidedAfter !== null) break;
  }
  return { pairs, reach, worse, notWorse };
};
