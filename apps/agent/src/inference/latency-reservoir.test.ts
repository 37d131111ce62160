import { describe, expect, it } from 'vitest';
import { LatencyReservoir } from './latency-reservoir.ts';

/** A small linear congruential generator (Numerical Recipes), so that the sample is the same in every run. */
function seeded(): () => number {
  let state = 42;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('LatencyReservoir', () => {
  it('gives exact nearest-rank quantiles of a small window', () => {
    const reservoir = new LatencyReservoir();
    for (let ms = 100; ms >= 1; ms -= 1) reservoir.add(ms);
    expect(reservoir.quantiles([0.5, 0.95, 1])).toEqual([50, 95, 100]);
    expect([reservoir.count, reservoir.sum, reservoir.max]).toEqual([100, 5050, 100]);
  });

  it('is all zero when nothing was added', () => {
    expect(new LatencyReservoir().quantiles([0.5, 0.95])).toEqual([0, 0]);
  });

  it('keeps a fair sample of a large window, and exact sums', () => {
    const reservoir = new LatencyReservoir(seeded());
    const n = 200_000;
    for (let i = 0; i < n; i += 1) reservoir.add(i);
    const [p50 = 0, p95 = 0] = reservoir.quantiles([0.5, 0.95]);
    // Four standard errors of a sample of 4096: 0.031 at the median, 0.014 at the 95th percentile.
    expect(Math.abs(p50 / n - 0.5)).toBeLessThan(0.032);
    expect(Math.abs(p95 / n - 0.95)).toBeLessThan(0.014);
    expect([reservoir.count, reservoir.sum, reservoir.max]).toEqual([n, (n * (n - 1)) / 2, n - 1]);
  });
});
