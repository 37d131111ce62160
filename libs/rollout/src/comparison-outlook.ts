import { smallestHarm } from './comparison/smallest-harm.ts';
import { canDecide, METRIC_SCALES, neededPairs, planComparisons } from './gates/compared-gates.ts';
import { comparisonOf, type Gate, gateName } from './spec/gate-spec.ts';
import type { Strata } from './wave-plan.ts';

/** How much devices of one kind are taken to differ, each by itself, as a standard deviation of logarithms. */
export const ASSUMED_SIGMA = 0.1;

/** What a comparison of a wave is worth, before it begins. Harms are as a person says them: 0.3 is +30 %. */
export interface ComparisonOutlook {
  readonly wave: number;
  /** As `gateName` calls it. */
  readonly gate: string;
  /** Pairs that it can come to. */
  readonly pairs: number;
  /** With fewer it can never tell. */
  readonly neededPairs: number;
  readonly level: number;
  readonly margin: number;
  /** No smaller harm can be found, be the devices ever so alike; null: none at all. */
  readonly floor: number | null;
  /** Found in 90 % of rollouts where each device scatters by `ASSUMED_SIGMA`; null for a rate, and for none. */
  readonly found: number | null;
  /** The same as a sentence. */
  readonly words: string;
}

const percent = (share: number): string => String(Number((share * 100).toFixed(1)));

const pairsInWords = (count: number): string => `${count} pair${count === 1 ? '' : 's'}`;

const wordsOf = (outlook: Omit<ComparisonOutlook, 'words'>, scale: 'ratio' | 'difference'): string => {
  const { wave, pairs, neededPairs: needed, floor, found } = outlook;
  const name = `wave ${wave + 1}`;
  if (floor === null) return `${name} can never tell: ${pairsInWords(pairs)}, at least ${needed} are needed`;
  const unit = scale === 'ratio' ? '%' : 'percentage points';
  const least = `${name} finds no harm under +${percent(floor)} ${unit}, with ${pairsInWords(pairs)}`;
  return found === null
    ? least
    : `${least}; +${percent(found)} ${unit} in 9 of 10 rollouts, where devices differ by 10 %`;
};

/**
 * What each comparison of a rollout can find, wave by wave. The last wave is compared with nothing.
 *
 * Made one by one, as it is asked for: each takes up to a second or two at a thousand pairs.
 * @param waves devices that each adds, by stratum
 * @param control devices that are held back, by stratum
 */
export function* comparisonOutlook(
  gates: readonly Gate[],
  waves: readonly Strata[],
  control: Strata,
): Generator<ComparisonOutlook, void, void> {
  for (const [wave, compared] of planComparisons(gates, waves, control).entries()) {
    if (compared === undefined) continue;
    for (const gate of gates) {
      const comparison = comparisonOf(gate);
      if (comparison === undefined) continue;
      const { scale } = METRIC_SCALES[comparison.metric];
      const { level, plannedPairs: pairs } = compared;
      const { margin } = comparison;
      // A pair is the difference of two devices. How much a rate scatters depends on how many frames there are.
      const noise = scale === 'ratio' ? { sigma: ASSUMED_SIGMA * Math.SQRT2 } : {};
      const harm = canDecide(compared)
        ? smallestHarm({ pairs, scale, margin, level, ...noise })
        : { floor: null, found: null };
      const outlook = { wave, gate: gateName(gate), pairs, neededPairs: neededPairs(compared), level, margin, ...harm };
      yield { ...outlook, words: wordsOf(outlook, scale) };
    }
  }
}
