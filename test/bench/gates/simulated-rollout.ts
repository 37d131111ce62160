import type { MeasuredChange } from '@aviary/rollout';
import { type NoiseShape, noiseFrom } from '../../../libs/rollout/src/testing/noise.ts';

/** As in the examples of the docs: p95 may be 15 % worse. */
export const MARGIN = 0.15;
/** What happens to all devices alike while a wave runs, e.g. a hot day: it is nobody's fault, and has to cancel. */
const DRIFT = 0.1;

/** A rollout that is simulated many times. */
export interface RolloutCase {
  readonly wave: number;
  readonly control: number;
  /** What the release does to p95 of every device: 0.3 is +30 %. */
  readonly harm: number;
  /** The standard deviation of the difference of a pair, in logarithms; one device has a √2th of it. */
  readonly sigma: number;
  readonly shape: NoiseShape;
}

/** A seed of its own for each case, so that leaving one out changes no other. */
const seedOf = ({ wave, control, harm, sigma, shape }: RolloutCase): number =>
  [...`${wave}/${control}/${harm}/${sigma.toFixed(4)}/${shape}`].reduce(
    (seed, character) => Math.imul(seed ^ character.charCodeAt(0), 0x01000193),
    0x811c9dc5,
  );

/** Devices report in turn, one of the wave and one of the control group, until one side has no more. */
const arrivalsOf = (rollout: RolloutCase, noise: () => number): MeasuredChange[] => {
  const deviceSigma = rollout.sigma / Math.SQRT2;
  const harm = Math.log1p(rollout.harm);
  const arrivals: MeasuredChange[] = [];
  const report = (group: MeasuredChange['group'], index: number, shift: number): void => {
    arrivals.push({ device: `${group}-${index}`, group, stratum: 'rpi5', change: shift + deviceSigma * noise() });
  };
  for (let index = 0; index < Math.max(rollout.wave, rollout.control); index += 1) {
    if (index < rollout.wave) report('wave', index, DRIFT + harm);
    if (index < rollout.control) report('control', index, DRIFT);
  }
  return arrivals;
};

/** The case, simulated so many times: what arrives of each, in order. Always the same. */
export function* simulate(rollout: RolloutCase, times: number): Generator<MeasuredChange[]> {
  const noise = noiseFrom(rollout.shape, seedOf(rollout));
  for (let time = 0; time < times; time += 1) yield arrivalsOf(rollout, noise);
}
