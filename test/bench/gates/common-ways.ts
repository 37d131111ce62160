import type { MeasuredChange } from '@aviary/rollout';
import { normalQuantile } from '../../../libs/rollout/src/comparison/normal-quantile.ts';

/** Before each side has so many, neither of the two ways below speaks, as tools usually ask for some samples. */
const LEAST_DEVICES = 3;

/** Whether the mean of the wave is at any time above the mean of the control group by more than the margin. */
export const thresholdStops = (arrivals: readonly MeasuredChange[], margin: number): boolean => {
  const sums = { wave: 0, control: 0 };
  const counts = { wave: 0, control: 0 };
  return arrivals.some(({ group, change }) => {
    sums[group] += change;
    counts[group] += 1;
    if (Math.min(counts.wave, counts.control) < LEAST_DEVICES) return false;
    return sums.wave / counts.wave - sums.control / counts.control > margin;
  });
};

/**
 * Whether a one-sided Mann–Whitney U test of "the wave, less the margin, is larger than the control group" is at any time
 * significant, asked after every report: normal approximation with correction for continuity, as canary tools use it.
 */
export const mannWhitneyStops = (arrivals: readonly MeasuredChange[], margin: number, level: number): boolean => {
  const critical = normalQuantile(1 - level);
  const values: Record<MeasuredChange['group'], number[]> = { wave: [], control: [] };
  let larger = 0;
  return arrivals.some(({ group, change }) => {
    if (group === 'wave') {
      const shifted = change - margin;
      for (const control of values.control) if (shifted > control) larger += 1;
      values.wave.push(shifted);
    } else {
      for (const wave of values.wave) if (wave > change) larger += 1;
      values.control.push(change);
    }
    const [waves, controls] = [values.wave.length, values.control.length];
    if (Math.min(waves, controls) < LEAST_DEVICES) return false;
    const deviation = Math.sqrt((waves * controls * (waves + controls + 1)) / 12);
    return (larger - (waves * controls) / 2 - 0.5) / deviation > critical;
  });
};
