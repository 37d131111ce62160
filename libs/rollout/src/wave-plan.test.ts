import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WaveSpec } from './spec/strategy-spec.ts';
import { BUCKETS, planControl, planWaves, rotateBucket } from './wave-plan.ts';

const percent = (value: number, minimum?: number): WaveSpec => ({
  size: { percent: value },
  soak: 0,
  ...(minimum === undefined ? {} : { minimum }),
});
const count = (value: number): WaveSpec => ({ size: { count: value }, soak: 0 });

const sizes = (waves: readonly WaveSpec[], strata: Record<string, number>) =>
  planWaves(waves, strata).map(({ size }) => size);

describe('planWaves: sizes', () => {
  it('are cumulative', () => {
    const plan = planWaves([percent(10), percent(50), percent(100)], { rpi5: 200 });
    expect(plan.map(({ cumulative }) => cumulative)).toEqual([20, 100, 200]);
    expect(plan.map(({ size }) => size)).toEqual([20, 80, 100]);
  });

  it.each<[string, WaveSpec, number, number]>([
    ['round a part of a device up', percent(10), 15, 2],
    ['are one device of a small fleet', percent(1), 6, 1],
    ['are 7 of 100 for 7 %, though 0.07 · 100 is more than 7', percent(7), 100, 7],
    ['are 29 of 100 for 29 %', percent(29), 100, 29],
    ['are 33 of 3000 for 1.1 %', percent(1.1), 3_000, 33],
    ['are one of a million for 0.0001 %', percent(0.0001), 1_000_000, 1],
    ['rise to the minimum', percent(1, 5), 100, 5],
    ['do not shrink to the minimum', percent(10, 5), 100, 10],
    ['stop at the fleet for a minimum above it', percent(1, 50), 6, 6],
    ['are counts as they stand', count(7), 100, 7],
    ['stop at the fleet for a count above it', count(500), 12, 12],
  ])('%s', (_, first, total, expected) => {
    expect(sizes([first, percent(100)], { a: total })).toEqual([expected, total - expected]);
  });

  it('agree with whole-number arithmetic for every whole percentage', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.nat({ max: 1_000_000 }), (share, total) => {
        const [first] = sizes([percent(share), percent(100)], { a: total });
        expect(first).toBe(Number((BigInt(share) * BigInt(total) + 99n) / 100n));
      }),
    );
  });

  it('never go down: a minimum above the next wave leaves that one empty', () => {
    expect(sizes([percent(1, 30), percent(20), percent(100)], { a: 100 })).toEqual([30, 0, 70]);
  });

  it('are all zero without devices', () => {
    expect(sizes([percent(1, 5), percent(100)], {})).toEqual([0, 0]);
    expect(planWaves([percent(100)], { rpi4: 0 })).toEqual([{ index: 0, size: 0, cumulative: 0, strata: {} }]);
  });

  it('of a single wave are everything', () => {
    expect(planWaves([percent(100)], { a: 2, b: 3 })).toEqual([
      { index: 0, size: 5, cumulative: 5, strata: { a: 2, b: 3 } },
    ]);
  });
});

describe('planWaves: strata', () => {
  it('look like the fleet', () => {
    const [first] = planWaves([percent(10), percent(100)], { rpi4: 500, rpi5: 300, 'x86-64': 200 });
    expect(first?.strata).toEqual({ rpi4: 50, rpi5: 30, 'x86-64': 20 });
  });

  it('give the odd place to the largest remainder', () => {
    const [first] = planWaves([count(10), percent(100)], { a: 64, b: 26, c: 10 });
    expect(first?.strata).toEqual({ a: 6, b: 3, c: 1 });
  });

  it('leave rare boards out of a small first wave, and have each by the second', () => {
    const [first, second] = planWaves([count(2), count(6), percent(100)], { a: 900, b: 90, c: 9, d: 1 });
    expect(first?.strata).toEqual({ a: 2 });
    expect(second?.strata).toMatchObject({ b: 1, c: 1, d: 1 });
  });

  it('take the largest that are missing when the second wave is too small for each', () => {
    const [, second] = planWaves([count(1), count(3), percent(100)], { a: 100, b: 20, c: 10, d: 5 });
    expect(second?.strata).toEqual({ b: 1, c: 1 });
  });

  it('do not depend on the order in which they are given', () => {
    const waves = [percent(13), percent(41), percent(100)];
    expect(planWaves(waves, { b: 7, a: 7, c: 7 })).toEqual(planWaves(waves, { c: 7, b: 7, a: 7 }));
  });

  it('take devices without a profile as a stratum of their own', () => {
    expect(planWaves([percent(50), percent(100)], { '': 4, rpi4: 4 })[0]?.strata).toEqual({ '': 2, rpi4: 2 });
  });

  it('share a million devices of fifty boards out without losing one', () => {
    const strata = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`p${index}`, 20_000 + index]));
    const plan = planWaves([percent(1), percent(10), percent(100)], strata);
    expect(plan.at(-1)?.cumulative).toBe(1_001_225);
  });
});

const anyWaves = fc
  .array(
    fc.oneof(
      fc.record({ size: fc.record({ percent: fc.double({ min: 0.01, max: 99, noNaN: true }) }), soak: fc.constant(0) }),
      fc.record({ size: fc.record({ count: fc.integer({ min: 1, max: 300 }) }), soak: fc.constant(0) }),
      fc.record({
        size: fc.record({ percent: fc.integer({ min: 1, max: 99 }) }),
        minimum: fc.integer({ min: 1, max: 50 }),
        soak: fc.constant(0),
      }),
    ),
    { maxLength: 5 },
  )
  .map((waves): WaveSpec[] => [...waves, percent(100)]);
const anyStrata = fc.dictionary(fc.constantFrom('', 'rpi4', 'rpi5', 'x86-64', 'jetson'), fc.nat({ max: 400 }));

describe('planWaves: whatever is asked for', () => {
  it('gives every device of every stratum exactly one place', () => {
    fc.assert(
      fc.property(anyWaves, anyStrata, (waves, strata) => {
        const plan = planWaves(waves, strata);
        for (const [name, size] of Object.entries(strata)) {
          expect(plan.reduce((sum, wave) => sum + (wave.strata[name] ?? 0), 0)).toBe(size);
        }
      }),
    );
  });

  it('is monotone, consistent, and reaches all with the last wave', () => {
    fc.assert(
      fc.property(anyWaves, anyStrata, (waves, strata) => {
        const plan = planWaves(waves, strata);
        let before = 0;
        for (const [index, wave] of plan.entries()) {
          expect(wave.index).toBe(index);
          expect(wave.size).toBeGreaterThanOrEqual(0);
          expect(wave.cumulative - wave.size).toBe(before);
          const added = Object.values(wave.strata);
          expect(added.reduce((sum, places) => sum + places, 0)).toBe(wave.size);
          expect(added.every((places) => Number.isInteger(places) && places > 0)).toBe(true);
          before = wave.cumulative;
        }
        expect(before).toBe(Object.values(strata).reduce((sum, size) => sum + size, 0));
      }),
    );
  });

  it('is never a whole device away from the fleet in its first wave', () => {
    fc.assert(
      fc.property(anyWaves, anyStrata, (waves, strata) => {
        const [first] = planWaves(waves, strata);
        const total = Object.values(strata).reduce((sum, size) => sum + size, 0);
        for (const [name, size] of Object.entries(strata)) {
          const fair = total === 0 ? 0 : ((first?.size ?? 0) * size) / total;
          expect(Math.abs((first?.strata[name] ?? 0) - fair)).toBeLessThan(1);
        }
      }),
    );
  });

  it('has every stratum by the second wave where that has room for each', () => {
    fc.assert(
      fc.property(anyWaves, anyStrata, (waves, strata) => {
        const [first, second] = planWaves(waves, strata);
        if (second === undefined) return;
        const names = Object.keys(strata).filter((name) => (strata[name] ?? 0) > 0);
        const missing = names.filter((name) => first?.strata[name] === undefined);
        if (second.size < missing.length) return;
        for (const name of missing) expect(second.strata[name]).toBeGreaterThan(0);
      }),
    );
  });
});

describe('rotateBucket', () => {
  const bucket = fc.integer({ min: 0, max: BUCKETS - 1 });

  it('starts to count at the offset and goes round', () => {
    expect(rotateBucket(5, 5)).toBe(0);
    expect(rotateBucket(6, 5)).toBe(1);
    expect(rotateBucket(4, 5)).toBe(BUCKETS - 1);
    expect(rotateBucket(0, BUCKETS - 1)).toBe(1);
  });

  it('gives each bucket a place of its own', () => {
    fc.assert(
      fc.property(bucket, bucket, (value, offset) => {
        const place = rotateBucket(value, offset);
        expect(place).toBeGreaterThanOrEqual(0);
        expect(place).toBeLessThan(BUCKETS);
        expect((place + offset) % BUCKETS).toBe(value);
      }),
    );
  });

  it('orders devices so that waves of a rollout share none and leave none out', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(bucket, { minLength: 1, maxLength: 60 }),
        bucket,
        anyWaves,
        (buckets, offset, waves) => {
          const inOrder = [...buckets].sort((a, b) => rotateBucket(a, offset) - rotateBucket(b, offset));
          const taken = planWaves(waves, { rpi5: buckets.length }).flatMap(({ size, cumulative }) =>
            inOrder.slice(cumulative - size, cumulative),
          );
          expect(new Set(taken).size).toBe(buckets.length);
          // The one from which on the circle is walked: at or after the offset, when there is one.
          const after = buckets.filter((value) => value >= offset);
          expect(taken[0]).toBe(Math.min(...(after.length > 0 ? after : buckets)));
        },
      ),
    );
  });
});

describe('a control group', () => {
  const waves = [percent(10), percent(50), percent(100)];

  it('looks like the fleet, and is taken by the last wave alone', () => {
    const strata = { rpi4: 60, rpi5: 40 };
    const control = planControl({ percent: 10 }, strata);
    expect(control).toEqual({ rpi4: 6, rpi5: 4 });
    expect(planWaves(waves, strata, control).map(({ strata: added }) => added)).toEqual([
      { rpi4: 6, rpi5: 4 },
      { rpi4: 24, rpi5: 16 },
      { rpi4: 30, rpi5: 20 },
    ]);
  });

  it('is kept back from waves that ask for more than it leaves', () => {
    const strata = { rpi4: 10 };
    const control = planControl({ count: 6 }, strata);
    expect(planWaves(waves, strata, control).map(({ cumulative }) => cumulative)).toEqual([1, 4, 10]);
  });

  it('leaves every device where it is when none is asked for', () => {
    expect(planControl(undefined, { rpi4: 10 })).toEqual({});
  });

  it('is never taken before the last wave, whatever the fleet and the waves are', () => {
    const sizes = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat({ max: 40 }));
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 100 }), (strata, percent) => {
        const control = planControl({ percent }, strata);
        const plan = planWaves(waves, strata, control);
        const total = Object.values(strata).reduce((sum, size) => sum + size, 0);
        expect(Object.values(control).reduce((sum, size) => sum + size, 0)).toBe(Math.ceil((percent * total) / 100));
        for (const [stratum, size] of Object.entries(strata)) {
          const before = plan.slice(0, -1).reduce((sum, wave) => sum + (wave.strata[stratum] ?? 0), 0);
          expect(before).toBeLessThanOrEqual(size - (control[stratum] ?? 0));
        }
        expect(plan.at(-1)?.cumulative).toBe(total);
      }),
    );
  });
});
