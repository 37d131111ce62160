import type { FleetShare } from './spec/scalars.ts';
import type { WaveSpec } from './spec/strategy-spec.ts';

/** Buckets are whole numbers from 0 up to this, without it; each device draws one when it joins. */
export const BUCKETS = 2 ** 31;

/** A device's place in one rollout: its bucket, turned by the rollout's own offset so that no device is always first. */
export const rotateBucket = (bucket: number, offset: number): number => (bucket - offset + BUCKETS) % BUCKETS;

/** Devices by stratum. */
export type Strata = Readonly<Record<string, number>>;

export interface PlannedWave {
  readonly index: number;
  /** Devices that it adds. */
  readonly size: number;
  /** Devices in it and all before. */
  readonly cumulative: number;
  /** Devices that it adds, by stratum. */
  readonly strata: Strata;
}

/** So much of the whole, rounded up; 7 % of 100 is 7, though 0.07 · 100 comes out a little above it. */
const percentOf = (percent: number, total: number): number => Math.ceil(Number(((percent * total) / 100).toFixed(6)));

const countOf = (share: FleetShare, total: number): number =>
  'count' in share ? share.count : percentOf(share.percent, total);

const cumulativeOf = (wave: WaveSpec, total: number): number =>
  Math.min(total, Math.max(countOf(wave.size, total), wave.minimum ?? 0));

interface Stratum {
  readonly name: string;
  /** All of its devices. */
  readonly size: number;
  /** Those that may be taken. */
  readonly room: number;
}

/**
 * Shares `wanted` places out so that the taken ones look like the fleet (largest remainder), of each stratum at most what
 * may be taken. With `everyStratum`, every one gets its first place before any gets another.
 */
const shareOut = (
  wanted: number,
  strata: readonly Stratum[],
  taken: ReadonlyMap<string, number>,
  everyStratum: boolean,
): Map<string, number> => {
  const total = strata.reduce((sum, { size }) => sum + size, 0);
  const result = new Map(taken);
  let left = wanted - [...result.values()].reduce((sum, count) => sum + count, 0);
  const takenOf = ({ name }: Stratum) => result.get(name) ?? 0;
  const lag = (stratum: Stratum) => (wanted * stratum.size) / total - takenOf(stratum);
  while (left > 0) {
    const open = strata.filter((stratum) => takenOf(stratum) < stratum.room);
    const empty = everyStratum ? open.filter((stratum) => takenOf(stratum) === 0) : [];
    const candidates = empty.length > 0 ? empty : open;
    const next = candidates.reduce<Stratum | undefined>(
      (best, stratum) => (best === undefined || lag(stratum) > lag(best) ? stratum : best),
      undefined,
    );
    if (next === undefined) break;
    // Whole lags at once, so that the cost is that of the strata and not of the devices.
    const step = empty.length > 0 ? 1 : Math.max(1, Math.min(left, Math.floor(lag(next)), next.room - takenOf(next)));
    result.set(next.name, takenOf(next) + step);
    left -= step;
  }
  return result;
};

/** In an order that does not depend on that of the keys; those without a device left out. */
const strataOf = (strata: Strata, held: Strata): Stratum[] =>
  Object.entries(strata)
    .filter(([, size]) => size > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, size]) => ({ name, size, room: size - (held[name] ?? 0) }));

/**
 * Plans the control group: devices that are held back until the last wave, and look like the whole.
 * @param strata devices by stratum
 */
export const planControl = (control: FleetShare | undefined, strata: Strata): Strata => {
  if (control === undefined) return {};
  const sorted = strataOf(strata, {});
  const total = sorted.reduce((sum, { size }) => sum + size, 0);
  return Object.fromEntries(shareOut(Math.min(total, countOf(control, total)), sorted, new Map(), false));
};

/**
 * Plans cumulative waves over strata (devices by profile, say): each looks like the whole, every stratum is there by
 * the second wave where that is large enough, and the last takes everything. A wave may come out empty.
 * @param strata devices by stratum; the order of its keys does not matter
 * @param control those of them that only the last wave may take, from `planControl`
 */
export const planWaves = (waves: readonly WaveSpec[], strata: Strata, control: Strata = {}): PlannedWave[] => {
  const all = strataOf(strata, {});
  const free = strataOf(strata, control);
  const count = (of: readonly Stratum[]) => of.reduce((sum, { room }) => sum + room, 0);
  const total = count(all);
  let taken: ReadonlyMap<string, number> = new Map();
  let before = 0;
  return waves.map((wave, index) => {
    const isLast = index === waves.length - 1;
    const asked = isLast ? total : Math.min(count(free), cumulativeOf(wave, total));
    const cumulative = Math.max(before, asked);
    const now = shareOut(cumulative, isLast ? all : free, taken, index === 1);
    const added = all
      .map(({ name }) => [name, (now.get(name) ?? 0) - (taken.get(name) ?? 0)] as const)
      .filter(([, devices]) => devices > 0);
    const planned = { index, size: cumulative - before, cumulative, strata: Object.fromEntries(added) };
    taken = now;
    before = cumulative;
    return planned;
  });
};
