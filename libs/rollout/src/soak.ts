import { canDecide, type WaveComparison } from './gates/compared-gates.ts';
import type { StrategySpec } from './spec/strategy-spec.ts';

/**
 * A device is compared so many seconds after the time over which it is measured: of the minute in which it switched and
 * of the one that has begun nothing is taken, and measurements come up to two minutes late.
 */
export const MEASURED_LATE_S = 240;

/** What is measured is looked for every quarter of a minute. */
const PAIRED_WITHIN_S = 30;

/** From when a device switches until the comparison has it, in seconds. */
const comparedAfter = ({ compareOver }: Pick<StrategySpec, 'compareOver'>): number =>
  compareOver + MEASURED_LATE_S + PAIRED_WITHIN_S;

/**
 * How long a wave waits after its last device, in seconds: as it asks, and where a comparison may decide on it, at least
 * until its devices are measured. A wave that is judged before would never be compared.
 * @param compared what the wave can be compared by; undefined: nothing
 */
export const soakOf = (strategy: StrategySpec, wave: number, compared: WaveComparison | undefined): number => {
  const asked = strategy.waves[wave]?.soak ?? 0;
  return compared !== undefined && canDecide(compared) ? Math.max(asked, comparedAfter(strategy)) : asked;
};
