import type { SimulatedFault, SimulationPlan } from '@aviary/protocol';
import { seededRandom } from '../seeded-random.ts';

/** Spread of what devices and windows differ by: the standard deviation of the logarithm. */
export const NOISE = 0.1;
/** A slow device takes so many times as long. */
const SLOWNESS = 10;
/** p95 of a frame on a board of this profile, in milliseconds; about what a small classifier takes there. */
const P95_MS: Readonly<Record<string, number>> = {
  rpi4: 90,
  rpi5: 45,
  'rpi5-hailo8l': 20,
  'rpi-coral-usb': 25,
  'coral-dev-board': 25,
  'jetson-orin-nano': 12,
  'jetson-agx-orin': 6,
  'jetson-xavier-nx': 15,
  'x86-64': 18,
};
const OTHERWISE_MS = 50;

/** How an install fails. */
export const FAILURES = ['load', 'admission', 'probation'] as const;
export type Failure = (typeof FAILURES)[number];

/** How a device falls silent: its disk hangs, and it stays connected; or it goes away. */
export const SILENCES = ['hangs', 'vanishes'] as const;
export type Silence = (typeof SILENCES)[number];

/** All that is particular about one device. */
export interface Character {
  readonly name: string;
  readonly profile: string;
  readonly labels: Readonly<Record<string, string>>;
  /** p95 of a frame on this very device, in milliseconds, with a release that is as it should be. */
  readonly p95Ms: number;
  /** Share of its answers that are unsure. */
  readonly unsure: number;
  readonly drifts: boolean;
  /** How many times as long as others it takes for everything. */
  readonly slowness: number;
  /** How an install of this release fails here, if it does. */
  failure(release: string): Failure | undefined;
  /** How it falls silent when this release is assigned to it, if it does. */
  silence(release: string): Silence | undefined;
  /** Times the usual p95. */
  regression(release: string): number;
}

/** A draw from the standard normal distribution (Box and Muller, 1958). */
export const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const cumulative = (profiles: Readonly<Record<string, number>>): readonly (readonly [string, number])[] => {
  const entries = Object.entries(profiles);
  const total = entries.reduce((sum, [, share]) => sum + share, 0);
  let sum = 0;
  return entries.map(([profile, share]) => {
    sum += share / total;
    return [profile, sum] as const;
  });
};

/** The faults with this release count together: a device has one of them when its draw is under their sum. */
const strikes = (faults: readonly SimulatedFault[], release: string, draw: number): boolean => {
  const hit = faults.filter((fault) => fault.release === null || fault.release === release);
  return draw < hit.reduce((sum, { share }) => sum + share, 0);
};

/**
 * What a device is like. It follows from the seed and the device's number alone, each trait from a draw of its own, so
 * that neither the order in which devices arrive nor another trait changes it.
 */
export const characterOf = (plan: SimulationPlan, device: number): Character => {
  const draw = (trait: string) => seededRandom(`aviary simulation v1 ${plan.seed} ${device} ${trait}`);
  const profiles = cumulative(plan.profiles);
  const at = draw('profile')();
  const profile = (profiles.find(([, until]) => at < until) ?? profiles.at(-1))?.[0] ?? '';
  const labels = Object.entries(plan.labels).map(([key, values]) => {
    const value = values[Math.floor(draw(`label ${key}`)() * values.length)] ?? '';
    return [key, value] as const;
  });
  const failing = draw('failing');
  const silent = draw('silent');
  const [failingAt, failingHow, silentAt, silentHow] = [failing(), failing(), silent(), silent()];
  return {
    name: `sim-${String(device).padStart(5, '0')}`,
    profile,
    labels: Object.fromEntries(labels),
    p95Ms: (P95_MS[profile] ?? OTHERWISE_MS) * Math.exp(NOISE * normal(draw('p95'))),
    unsure: 0.02 + 0.02 * draw('unsure')(),
    drifts: draw('drifting')() < plan.drifting,
    slowness: draw('slow')() < plan.slow ? SLOWNESS : 1,
    failure: (release) =>
      strikes(plan.failing, release, failingAt) ? FAILURES[Math.floor(failingHow * FAILURES.length)] : undefined,
    silence: (release) =>
      strikes(plan.silent, release, silentAt) ? SILENCES[Math.floor(silentHow * SILENCES.length)] : undefined,
    regression: (release) => 1 + (plan.regressions.find((regression) => regression.release === release)?.increase ?? 0),
  };
};
