import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noiseFrom } from '../testing/noise.ts';
import { centreOf, lowerBound } from './estimate.ts';
import { testBothSides } from './two-sided-test.ts';

const MARGIN = Math.log(1.15);
const REACH = 2 * MARGIN;

const differences = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 40 });

describe('the centre', () => {
  it('is the mean when none is far off', () => {
    expect(centreOf([0.1, 0.2, 0.24], REACH)).toBeCloseTo(0.18, 12);
    expect(centreOf([0.3], REACH)).toBe(0.3);
  });

  it('is moved little by one device that is far off', () => {
    const near = Array.from({ length: 9 }, (_, index) => 0.3 + (index - 4) / 100);
    expect(centreOf([...near, 5], REACH) - 0.3).toBeCloseTo(REACH / 9, 9);
    expect(centreOf([...near, 50], REACH)).toBeCloseTo(centreOf([...near, 5], REACH), 9);
  });

  it('moves along with all of them, and lies among them', () => {
    fc.assert(
      fc.property(differences, fc.double({ min: -3, max: 3, noNaN: true }), (list, by) => {
        const centre = centreOf(list, REACH);
        expect(centre).toBeGreaterThanOrEqual(Math.min(...list));
        expect(centre).toBeLessThanOrEqual(Math.max(...list));
        // Where they balance over a whole stretch, rounding may choose another place of it.
        const balance = list.reduce((sum, one) => sum + Math.max(-1, Math.min(1, (one - centre) / REACH)), 0);
        expect(Math.abs(balance)).toBeLessThan(1e-6);
        const moved = list.map((one) => one + by);
        const there = centreOf(moved, REACH);
        const after = moved.reduce((sum, one) => sum + Math.max(-1, Math.min(1, (one - there) / REACH)), 0);
        expect(Math.abs(after)).toBeLessThan(1e-6);
      }),
    );
  });
});

describe('the lower bound', () => {
  it('is none where nothing can be decided', () => {
    expect(lowerBound([], MARGIN, REACH, 0.01)).toBeNull();
    expect(lowerBound(Array(6).fill(3), MARGIN, REACH, 0.01)).toBeNull();
    expect(lowerBound(Array(7).fill(3), MARGIN, REACH, 0.01)).not.toBeNull();
  });

  it('closes in on what is there', () => {
    const bounds = [10, 20, 50, 200, 1000].map((length) => lowerBound(Array(length).fill(0.3), MARGIN, REACH, 0.01));
    expect(bounds).toEqual(bounds.toSorted((a, b) => (a ?? -9) - (b ?? -9)));
    expect(bounds.at(-1)).toBeGreaterThan(0.25);
    expect(bounds.at(-1)).toBeLessThan(0.3);
  });

  it('is at the margin or above whenever the release was found worse, and else under it', () => {
    const check = (list: readonly number[]): void => {
      const { worse, pairs } = testBothSides(list, MARGIN, 0.05, 0.05);
      const bound = lowerBound(list.slice(0, pairs), MARGIN, REACH, 0.05);
      expect((bound ?? -9) >= MARGIN).toBe(worse.decidedAfter !== null);
    };
    fc.assert(fc.property(differences, check));
    for (let run = 0; run < 300; run += 1) {
      const noise = noiseFrom(run % 2 === 0 ? 'normal' : 'heavy', run);
      check(Array.from({ length: 60 }, () => 0.22 + 0.2 * noise()));
    }
  });

  it.each([
    ['normal', 0.1],
    ['heavy', 0.3],
  ] as const)('was above the truth at any time in no more rollouts than it may, noise %s of %d', (shape, sigma) => {
    const noise = noiseFrom(shape, 7);
    const rollouts = 400;
    let wrong = 0;
    for (let rollout = 0; rollout < rollouts; rollout += 1) {
      const list = Array.from({ length: 80 }, () => 0.05 + sigma * noise());
      const isWrong = [10, 20, 40, 80].some(
        (looked) => (lowerBound(list.slice(0, looked), MARGIN, REACH, 0.1) ?? -9) > 0.05,
      );
      if (isWrong) wrong += 1;
    }
    // 40 may be; more than 60 would be with a probability under 0.001.
    expect(wrong).toBeLessThanOrEqual(60);
    expect(wrong).toBeGreaterThan(0);
  });
});
