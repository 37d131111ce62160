import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fewestPairs } from './betting-test.ts';
import { splitLevel } from './split-level.ts';

describe('the level of a rollout', () => {
  it('is split over gates and waves', () => {
    expect(splitLevel(0.04, 2, [20, 50])).toEqual({ level: 0.01, compares: [true, true] });
  });

  it('is not spent on waves that could never decide', () => {
    // At 0.05 five pairs are needed, and the last wave has no control group any more.
    expect(splitLevel(0.05, 1, [4, 40, 0])).toEqual({ level: 0.05, compares: [false, true, false] });
  });

  it('leaves out the smallest wave when it could not decide at its share', () => {
    expect(splitLevel(0.05, 1, [5, 40])).toEqual({ level: 0.05, compares: [false, true] });
    expect(splitLevel(0.05, 1, [6, 40])).toEqual({ level: 0.025, compares: [true, true] });
  });

  it('compares nothing where nothing can be compared', () => {
    expect(splitLevel(0.05, 2, [3, 3, 0]).compares).toEqual([false, false, false]);
    expect(splitLevel(0.05, 0, [30, 30]).compares).toEqual([false, false]);
    expect(splitLevel(0.05, 1, []).compares).toEqual([]);
  });

  it('is never exceeded, whoever compares can decide, and one more wave could not be taken', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.5, noNaN: true }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 8 }),
        (level, gates, pairs) => {
          const share = splitLevel(level, gates, pairs);
          const waves = share.compares.filter(Boolean).length;
          expect(share.level * gates * waves).toBeLessThanOrEqual(level * (1 + 1e-12));
          const compared = pairs.filter((_, index) => share.compares[index]);
          for (const count of compared) expect(count).toBeGreaterThanOrEqual(fewestPairs(share.level));
          const left = pairs.filter((_, index) => !share.compares[index]);
          if (left.length === 0) return;
          expect(Math.max(...left)).toBeLessThanOrEqual(Math.min(...compared, Number.POSITIVE_INFINITY));
          const more = [...compared, Math.max(...left)];
          expect(Math.min(...more)).toBeLessThan(fewestPairs(level / (gates * more.length)));
        },
      ),
    );
  });

  it.each([
    [0, 1, [20], /the level of a rollout to be a number between 0 and 1, got 0/],
    [0.05, 1.5, [20], /comparing gates to be a whole number from 0 up, got 1.5/],
    [0.05, 1, [20, -1], /the pairs of a wave to be a whole number from 0 up, got -1/],
  ])('%d over %d gates and waves of %j is refused', (level, gates, pairs, message) => {
    expect(() => splitLevel(level, gates, pairs)).toThrow(message);
  });
});
