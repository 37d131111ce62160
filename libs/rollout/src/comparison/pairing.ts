import { ComparisonInputError } from './comparison-input-error.ts';

/** A device whose change is fixed: both its windows are over. */
export interface MeasuredChange {
  readonly device: string;
  readonly group: 'wave' | 'control';
  /** Devices are compared with their like only, e.g. within a profile. */
  readonly stratum: string;
  /** From `changeOf`. */
  readonly change: number;
}

/** A device of the wave and one of the control group, both of one stratum. */
export interface DevicePair {
  readonly stratum: string;
  readonly wave: string;
  readonly control: string;
  /** The wave device's change minus the control device's: the difference in differences, one observation of the test. */
  readonly difference: number;
}

/**
 * Pairs in the stored order of arrival: whoever arrives takes the one who has waited longest on the other side of its
 * stratum. Nobody is in two pairs: a control device that spoke twice would carry its own luck into both, and a few of
 * them could then stop a release that is not worse. More arrivals append pairs and never change one, so a replay of any
 * prefix gives a prefix.
 * @throws ComparisonInputError when a device arrives a second time
 */
export const pairInOrder = (arrivals: readonly MeasuredChange[]): DevicePair[] => {
  const pairs: DevicePair[] = [];
  const seen = new Set<string>();
  const strata = new Map<string, { waiting: MeasuredChange[]; next: number }>();
  for (const arrival of arrivals) {
    const { device, stratum, group, change } = arrival;
    if (seen.has(device)) {
      throw new ComparisonInputError(
        `expected each device once, got ${device} twice; a change is fixed when it is first stored`,
      );
    }
    seen.add(device);
    const queue = strata.get(stratum) ?? { waiting: [], next: 0 };
    strata.set(stratum, queue);
    const longest = queue.waiting[queue.next];
    if (longest === undefined || longest.group === group) {
      queue.waiting.push(arrival);
      continue;
    }
    queue.next += 1;
    const [wave, control] = group === 'wave' ? [arrival, longest] : [longest, arrival];
    const difference = group === 'wave' ? change - longest.change : longest.change - change;
    pairs.push({ stratum, wave: wave.device, control: control.device, difference });
  }
  return pairs;
};

/** How many pairs a wave can come to at most, from how many devices of each stratum are in it and in the control group. */
export const mostPairs = (strata: readonly { readonly wave: number; readonly control: number }[]): number =>
  strata.reduce((total, { wave, control }) => total + Math.min(wave, control), 0);
