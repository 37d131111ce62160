import type { WaveSpec } from './rollout-spec.ts';

/** Buckets are whole numbers from 0 up to this, without it; each device draws one when it joins. */
export const BUCKETS = 2 ** 31;

/** A device's place in one rollout: its bucket, turned by the rollout's own offset so that no device is always first. */
export const rotateBucket = (bucket: number, offset: number): number => (bucket - offset + BUCKETS) % BUCKETS;

export interface PlannedWave {
  readonly index: number;
  /** Devices that it adds. */
  readonly size: number;
  /** Devices in it and all before. */
  readonly cumulative: number;
  /** Devices that it adds, by stratum. */
  readonly strata: Readonly<Record<string, number>>;
}

/** So much of the whole, rounded up; 7 % of 100 is 7, though 0.07 · 100 comes out a little above it. */
const percentOf = (percent: number, total: number): number => Math.ceil(Number(((percent * total) / 100).toFixed(6)));

const cumulativeOf = (wave: WaveSpec, total: number): number => {
  const asked = 'count' in wave.size ? wave.size.count : percentOf(wave.size.percent, total);
  return Math.min(total, Math.max(asked, wave.minimum ?? 0));
};

/**
 * Shares `wanted` places out so that the taken ones look like the fleet (largest remainder), each stratum at most what
 * it has. With `everyStratum`, every one gets its first place before any gets another.
 */
const shareOut = (
  wanted: number,
  strata: readonly (readonly [string, number])[],
  taken: ReadonlyMap<string, number>,
  everyStratum: boolean,
): Map<string, number> => {
  const total = strata.reduce((sum, [, size]) => sum + size, 0);
  const result = new Map(taken);
  let left = wanted - [...result.values()].reduce((sum, count) => sum + count, 0);
  const lag = ([name, size]: readonly [string, number]) => (wanted * size) / total - (result.get(name) ?? 0);
  while (left > 0) {
    const open = strata.filter(([name, size]) => (result.get(name) ?? 0) < size);
    const empty = everyStratum ? open.filter(([name]) => (result.get(name) ?? 0) === 0) : [];
    const candidates = empty.length > 0 ? empty : open;
    const next = candidates.reduce<readonly [string, number] | undefined>(
      (best, stratum) => (best === undefined || lag(stratum) > lag(best) ? stratum : best),
      undefined,
    );
    if (next === undefined) break;
    // Whole lags at once, so that the cost is that of the strata and not of the devices.
    const [name, size] = next;
    const step =
      empty.length > 0 ? 1 : Math.max(1, Math.min(left, Math.floor(lag(next)), size - (result.get(name) ?? 0)));
    result.set(name, (result.get(name) ?? 0) + step);
    left -= step;
  }
  return result;
};

/**
 * Plans cumulative waves over strata (devices by profile, say): each looks like the whole, every stratum is there by
 * the second wave where that is large enough, and the last takes everything. A wave may come out empty.
 * @param strata devices by stratum; the order of its keys does not matter
 */
export const planWaves = (waves: readonly WaveSpec[], strata: Readonly<Record<string, number>>): PlannedWave[] => {
  const sorted = Object.entries(strata)
    .filter(([, size]) => size > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const total = sorted.reduce((sum, [, size]) => sum + size, 0);
  let taken: ReadonlyMap<string, number> = new Map();
  let before = 0;
  return waves.map((wave, index) => {
    const isLast = index === waves.length - 1;
    const cumulative = Math.max(before, isLast ? total : cumulativeOf(wave, total));
    const now = shareOut(cumulative, sorted, taken, index === 1);
    const added = sorted
      .map(([name]) => [name, (now.get(name) ?? 0) - (taken.get(name) ?? 0)] as const)
      .filter(([, count]) => count > 0);
    const planned = { index, size: cumulative - before, cumulative, strata: Object.fromEntries(added) };
    taken = now;
    before = cumulative;
    return planned;
  });
};
