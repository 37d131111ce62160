/** So much of the wealth is staked at most: it stays above 0 whatever comes. */
const MOST_STAKED = 0.95;
/** And so much at least, that a test which looked hopeless can come back, and bounds close in from both sides. */
const LEAST_STAKED = 0.4;
/**
 * The bets begin as if so many pairs had been seen, all as far on the other side of the margin as counts. It costs little
 * when the release is far from the margin, and with 20 pairs it is what finds a harm that a timid start would miss.
 */
const IMAGINED_PAIRS = 6;

/**
 * A test of "the mean is not above 0" that may be looked at after every observation: somebody bets on each coming one,
 * at odds that are fair if the mean is 0, and can get rich only if it is not. By Ville's inequality the wealth reaches
 * 1/level with a probability of at most `level`, ever, while the mean of each observation, given those before it, is at
 * most 0. Wealth is thereby an e-process; it begins at 1.
 *
 * Stakes are predictable: they follow from earlier observations alone. They are aGRAPA's, mean over second moment,
 * clipped. Source: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", Journal of the
 * Royal Statistical Society B 86(1), 2024; arXiv:2010.09686.
 */
export class BettingTest {
  #sum = IMAGINED_PAIRS;
  #squares = IMAGINED_PAIRS;
  #logWealth = 0;

  /** The natural logarithm of the wealth, that is, of the e-value. */
  get logWealth(): number {
    return this.#logWealth;
  }

  /** The share of the wealth that is staked on the coming observation. */
  get stake(): number {
    return Math.min(MOST_STAKED, Math.max(LEAST_STAKED, this.#sum / this.#squares));
  }

  /** @param observation from −1 to 1 */
  observe(observation: number): void {
    this.#logWealth += Math.log1p(this.stake * observation);
    this.#sum += observation;
    this.#squares += observation * observation;
  }
}

/** The logarithm of the wealth at which a test of this level has decided. */
export const decidingLogWealth = (level: number): number => -Math.log(level);

/**
 * How many more observations it takes at the least until a test can decide: each one lets the wealth grow by at most
 * 1.95. From nothing, that is 7 at a level of 0.01 and 5 at 0.05. No number of devices in the wave makes up for pairs.
 */
export const fewestPairs = (level: number, logWealth = 0): number =>
  // What is decided needs none; a hair's breadth is left for rounding.
  Math.max(0, Math.ceil((decidingLogWealth(level) - logWealth) / Math.log1p(MOST_STAKED) - 1e-9));

/** An observation for a test against `margin`, as the tests take it: 0 at the margin, 1 at `reach` above it and beyond. */
export const againstMargin = (difference: number, margin: number, reach: number): number =>
  Math.min(1, Math.max(-1, (difference - margin) / reach));
