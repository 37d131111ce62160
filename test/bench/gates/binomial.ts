/**
 * The smallest count that a binomial variable exceeds with at most the given probability: what simulation noise may add
 * to a share that is allowed exactly. Summed from exact terms.
 */
export const binomialLimit = (trials: number, share: number, exceeding: number): number => {
  let term = Math.exp(trials * Math.log1p(-share));
  let upTo = term;
  let count = 0;
  while (1 - upTo > exceeding) {
    term *= ((trials - count) / (count + 1)) * (share / (1 - share));
    count += 1;
    upTo += term;
  }
  return count;
};
