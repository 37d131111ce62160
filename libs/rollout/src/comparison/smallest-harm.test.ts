import { describe, expect, it } from 'vitest';
import { noiseFrom } from '../testing/noise.ts';
import { type SmallestHarmQuestion, smallestHarm } from './smallest-harm.ts';
import { testBothSides } from './two-sided-test.ts';

const QUESTION: SmallestHarmQuestion = { pairs: 20, scale: 'ratio', margin: 0.15, level: 0.01 };
const MARGIN = Math.log(1.15);

const isFound = (differences: readonly number[], level: number): boolean =>
  testBothSides(differences, MARGIN, level, level).worse.decidedAfter !== null;

describe('the smallest harm', () => {
  it.each([
    [6, 0.01],
    [4, 0.05],
    [0, 0.05],
  ])('is none for %i pairs at a level of %d: they can never decide', (pairs, level) => {
    expect(smallestHarm({ ...QUESTION, pairs, level, sigma: 0.1 })).toEqual({ floor: null, found: null });
  });

  it.each([7, 10, 20, 100])('has a floor that %i pairs without noise reach, and not below', (pairs) => {
    const { floor, found } = smallestHarm({ ...QUESTION, pairs });
    expect(found).toBeNull();
    const floorChange = Math.log1p(floor ?? Number.NaN);
    expect(isFound(Array(pairs).fill(floorChange), 0.01)).toBe(true);
    expect(isFound(Array(pairs).fill(floorChange - 0.001), 0.01)).toBe(false);
  });

  it('shrinks to the margin with more pairs, and grows with noise', () => {
    const foundBy = (pairs: number, sigma: number): number => smallestHarm({ ...QUESTION, pairs, sigma }).found ?? 99;
    const byPairs = [7, 10, 20, 50, 200].map((pairs) => foundBy(pairs, 0.1));
    expect(byPairs).toEqual(byPairs.toSorted((a, b) => b - a));
    expect(byPairs.at(-1)).toBeGreaterThan(0.15);
    const bySigma = [0.02, 0.05, 0.1, 0.2, 0.3].map((sigma) => foundBy(20, sigma));
    expect(bySigma).toEqual(bySigma.toSorted((a, b) => a - b));
    expect(bySigma[0]).toBeGreaterThan(smallestHarm(QUESTION).floor ?? 99);
  });

  it.each([
    [10, 0.05, 0.01, 0.9],
    [20, 0.1, 0.01, 0.9],
    [20, 0.3, 0.05, 0.9],
    [100, 0.2, 0.01, 0.8],
  ])('of %i pairs with σ %d at level %d is found with the power said, by other noise', (pairs, sigma, level, power) => {
    const { found } = smallestHarm({ ...QUESTION, pairs, sigma, level, power });
    const noise = noiseFrom('normal', pairs);
    const rollouts = 3000;
    let count = 0;
    for (let rollout = 0; rollout < rollouts; rollout += 1) {
      const differences = Array.from({ length: pairs }, () => Math.log1p(found ?? 0) + sigma * noise());
      if (isFound(differences, level)) count += 1;
    }
    // Both sides are simulated: 0.006 and 0.007 of standard error at 0.9.
    expect(Math.abs(count / rollouts - power)).toBeLessThan(0.03);
  });

  it('of a rate is told in the unit of its margin', () => {
    const { floor, found } = smallestHarm({ pairs: 30, scale: 'difference', margin: 0.03, level: 0.01, sigma: 0.02 });
    expect(floor).toBeGreaterThan(0.03);
    expect(found).toBeGreaterThan(floor ?? 99);
    expect(found).toBeLessThan(0.09);
  });

  it('is the same each time', () => {
    const question = { ...QUESTION, sigma: 0.1 };
    expect(smallestHarm(question)).toEqual(smallestHarm(question));
  });

  it.each([
    [{ pairs: 2.5 }, /pairs of a wave to be a whole number from 0 up, got 2.5/],
    [{ margin: 0 }, /margin of a comparison to be a number above 0, got 0/],
    [{ level: 1 }, /level of a comparison to be a number between 0 and 1, got 1/],
    [{ sigma: Number.NaN }, /sigma of a pair to be a number above 0, got NaN/],
    [{ power: 1.2 }, /power to be a number between 0 and 1, got 1.2/],
  ])('is refused for %j', (wrong, message) => {
    expect(() => smallestHarm({ ...QUESTION, ...wrong })).toThrow(message);
  });
});
