import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Aggregation, AggregationError, type UpdateFigures } from './aggregate.ts';
import { applyUpdate, encodeHead, normOf, updateBetween } from './head-codec.ts';

interface Update extends UpdateFigures {
  readonly values: Float32Array;
}
const update = (deviceId: string, samples: number, ...values: number[]): Update => {
  const floats = Float32Array.from(values);
  return { deviceId, samples, norm: normOf(floats), values: floats };
};

/** As the control plane does it: figures first, then one update after the other. */
const aggregate = (updates: readonly Update[], clipNorm: number | null) => {
  const aggregation = new Aggregation(
    updates.map(({ deviceId, samples, norm }) => ({ deviceId, samples, norm })),
    clipNorm,
  );
  for (const id of aggregation.order) {
    const found = updates.find(({ deviceId }) => deviceId === id);
    if (found !== undefined) aggregation.add(id, found.values);
  }
  return aggregation.finish();
};

const LENGTH = 6;
const finite = fc.float32Array({ minLength: LENGTH, maxLength: LENGTH, noNaN: true, min: -1e3, max: 1e3 });
const anyUpdate = fc
  .tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 1e6 }), finite)
  .map(([id, samples, values]) => update(id, samples, ...values));
const anyUpdates = fc.uniqueArray(anyUpdate, { selector: ({ deviceId }) => deviceId, minLength: 1, maxLength: 12 });
const anyClip = fc.option(fc.double({ min: 1e-3, max: 1e4, noNaN: true }), { nil: null });

describe('the aggregate of updates', () => {
  it('is their mean weighted by samples', () => {
    const result = aggregate([update('b', 300, 4, 0), update('a', 100, 0, 8)], 100);
    expect(result).toEqual({
      values: Float32Array.of(3, 2),
      updates: 2,
      samples: 400,
      norm: Math.sqrt(13),
      clipNorm: 100,
      clipped: 0,
    });
  });

  it('shortens longer ones to the given length, and keeps their direction', () => {
    const result = aggregate([update('a', 1, 30, 40), update('b', 1, 0, 0)], 10);
    expect(result).toMatchObject({ values: Float32Array.of(3, 4), clipNorm: 10, clipped: 1 });
  });

  it.each([
    [[5], 5, 0],
    [[1, 9], 5, 1],
    [[2, 1, 1000], 2, 1],
    [[4, 2, 8, 1000], 6, 2],
    [[0, 0], 0, 0],
  ])('shortens lengths %j to their median %d when none is given', (lengths, clipNorm, clipped) => {
    const updates = lengths.map((length, index) => update(`d${index}`, 10, length, 0));
    expect(aggregate(updates, null)).toMatchObject({ clipNorm, clipped });
  });

  it('lets no single device pull further than its share of the clip length', () => {
    const result = aggregate([update('evil', 50, 9e4, 0), update('a', 50, 1, 0), update('b', 50, 1, 0)], null);
    expect(result.values[0]).toBeCloseTo(1, 6);
  });

  it('counts the samples of a device up to twice the median, whatever it says', () => {
    const result = aggregate([update('evil', 1e6, -1, 0), update('a', 50, 1, 0), update('b', 50, 1, 0)], null);
    expect(result).toMatchObject({ values: Float32Array.of(0, 0), samples: 1_000_100 });
  });

  it('of one update alone is that update, bit for bit', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, noNaN: true, noDefaultInfinity: true }),
        fc.nat(1e6),
        (values, extra) => {
          const one = update('a', extra + 1, ...values);
          const result = aggregate([one], null);
          expect(encodeHead(result.values)).toEqual(encodeHead(one.values));
          expect(result).toMatchObject({ norm: one.norm, clipped: 0 });
        },
      ),
    );
    expect(Object.is(aggregate([update('a', 7, -0)], null).values[0], -0)).toBe(true);
  });

  it('gives the same bits however often and from whatever order it is computed', () => {
    fc.assert(
      fc.property(anyUpdates, anyClip, fc.infiniteStream(fc.nat()), (updates, clip, randoms) => {
        const shuffled = updates
          .map((one) => ({ one, at: randoms.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one);
        const [first, again] = [aggregate(updates, clip), aggregate(shuffled, clip)];
        expect(encodeHead(again.values)).toEqual(encodeHead(first.values));
        expect({ ...again, values: null }).toEqual({ ...first, values: null });
      }),
    );
  });

  it('agrees with the mean written out in the plainest way', () => {
    fc.assert(
      fc.property(anyUpdates, anyClip, (updates, clip) => {
        const result = aggregate(updates, clip);
        const sorted = updates.map(({ samples }) => samples).toSorted((a, b) => a - b);
        const middle = (sorted.length - 1) / 2;
        const median = ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
        const counted = (samples: number): number => Math.min(samples, 2 * median);
        const total = updates.reduce((sum, { samples }) => sum + counted(samples), 0);
        for (let index = 0; index < LENGTH; index += 1) {
          let mean = 0;
          for (const { samples, norm, values } of updates) {
            const value = values[index] ?? Number.NaN;
            mean += (counted(samples) * (norm > result.clipNorm ? (value / norm) * result.clipNorm : value)) / total;
          }
          expect(Math.abs((result.values[index] ?? Number.NaN) - mean)).toBeLessThan(1e-4);
        }
        expect(result.norm).toBeLessThanOrEqual(result.clipNorm * (1 + 1e-6) + 1e-30);
      }),
    );
  });

  it('is what training on the one device gave: one client, one epoch is local training', () => {
    const base = Float32Array.from({ length: 8 }, (_, i) => Math.sin(i));
    const next = Float32Array.from(base);
    // One epoch of least squares, sample by sample.
    for (let n = 0; n < 20; n += 1) {
      const x = base.map((_, i) => Math.cos(n * 3 + i));
      const error = x.reduce((sum, value, i) => sum + value * (next[i] ?? 0), n % 2 === 0 ? -1 : 1);
      x.forEach((value, i) => {
        next[i] = (next[i] ?? 0) - 0.05 * error * value;
      });
    }
    const sent = updateBetween(base, next);
    const { values } = aggregate([{ deviceId: 'a', samples: 20, norm: normOf(sent), values: sent }], null);
    const candidate = applyUpdate(base, values);
    expect(encodeHead(candidate)).toEqual(encodeHead(applyUpdate(base, sent)));
    // Only the rounding of the difference lies between it and the head that was trained.
    candidate.forEach((value, i) => {
      expect(Math.abs(value - (next[i] ?? Number.NaN))).toBeLessThanOrEqual(2 ** -23);
    });
    expect(normOf(sent)).toBeGreaterThan(0.1);
  });
});

describe('Aggregation', () => {
  const figures = ['c', 'B', 'a'].map((deviceId) => ({ deviceId, samples: 1, norm: 1 }));

  it('asks for updates in the order of device ids by code unit', () => {
    expect(new Aggregation(figures, 1).order).toEqual(['B', 'a', 'c']);
  });

  it('refuses a wrong turn, a second time, a stranger, another length, a gap', () => {
    const aggregation = new Aggregation(figures, 1);
    const one = Float32Array.of(1);
    expect(() => aggregation.add('a', one)).toThrow('Expected the update of B next, got that of a.');
    aggregation.add('B', one);
    expect(() => aggregation.add('B', one)).toThrow('Expected the update of a next, got that of B.');
    expect(() => aggregation.add('x', one)).toThrow(AggregationError);
    expect(() => aggregation.add('a', Float32Array.of(1, 2))).toThrow('Expected 1 values from a, got 2.');
    expect(() => aggregation.finish()).toThrow('Expected 3 updates, got 1.');
    aggregation.add('a', one);
    aggregation.add('c', one);
    expect(() => aggregation.add('c', one)).toThrow('Expected the update of nobody next');
    expect(aggregation.finish().values).toEqual(one);
  });

  it('refuses nothing at all, and two updates of one device', () => {
    expect(() => new Aggregation([], null)).toThrow('at least one update');
    expect(() => new Aggregation([...figures, ...figures.slice(0, 1)], null)).toThrow('one update of each device');
    expect(new AggregationError('x').code).toBe('aggregation-invalid');
  });
});
