import { fewestPairs } from './betting-test.ts';
import { demandBetween, demandCount } from './comparison-input-error.ts';

export interface LevelShare {
  /** The level of each single test. */
  readonly level: number;
  /** Of each wave, whether it is compared. */
  readonly compares: readonly boolean[];
}

/**
 * Splits the level of a rollout evenly over its comparisons, gates times waves, so that a release that is not worse is
 * stopped with a probability of at most `level` by all of them together (Bonferroni). A wave that has too few pairs to
 * ever decide is not compared, and takes no share from the others: as many waves as possible are compared.
 *
 * It is settled before the first pair, from the plan alone.
 * @param level of the whole rollout
 * @param gates how many metrics are compared with the control group
 * @param pairs that each wave can come to (`mostPairs`); 0 for the last one, which takes the control group with it
 * @throws ComparisonInputError
 */
export const splitLevel = (level: number, gates: number, pairs: readonly number[]): LevelShare => {
  demandBetween('the level of a rollout', level, 0, 1);
  demandCount('the number of comparing gates', gates);
  for (const count of pairs) demandCount('the pairs of a wave', count);
  const byPairs = pairs.map((_, index) => index).sort((a, b) => (pairs[b] ?? 0) - (pairs[a] ?? 0) || a - b);
  for (let waves = gates === 0 ? 0 : byPairs.length; waves > 0; waves -= 1) {
    const share = level / (gates * waves);
    const compared = byPairs.slice(0, waves);
    if (compared.every((index) => (pairs[index] ?? 0) >= fewestPairs(share))) {
      return { level: share, compares: pairs.map((_, index) => compared.includes(index)) };
    }
  }
  return { level, compares: pairs.map(() => false) };
};
