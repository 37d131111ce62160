import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { againstMargin, BettingTest, decidingLogWealth, fewestPairs } from './betting-test.ts';

/** Highest and last wealth on a list of observations. */
const play = (observations: readonly number[]): { highest: number; last: number } => {
  const test = new BettingTest();
  let highest = 0;
  for (const observation of observations) {
    test.observe(observation);
    highest = Math.max(highest, test.logWealth);
  }
  return { highest: Math.exp(highest), last: Math.exp(test.logWealth) };
};

/** Every sequence of the given outcomes. */
const sequences = (outcomes: readonly number[], length: number): number[][] =>
  length === 0
    ? [[]]
    : sequences(outcomes, length - 1).flatMap((before) => outcomes.map((outcome) => [...before, outcome]));

describe('the wealth of a betting test', () => {
  // Not drawn: all that can happen is counted, so the figures are exact.
  it.each<[string, number[], number]>([
    ['a fair coin', [-1, 1], 14],
    ['a skewed game that is fair', [-0.5, -0.5, 1], 9],
    ['small and large stakes', [-1, -0.1, 0.1, 1], 7],
  ])('is 1 in the mean over all sequences of %s, and seldom large', (_, outcomes, length) => {
    const games = sequences(outcomes, length).map(play);
    const mean = games.reduce((sum, { last }) => sum + last, 0) / games.length;
    expect(mean).toBeCloseTo(1, 9);
    for (const level of [0.5, 0.1, 0.05, 0.01]) {
      const reached = games.filter(({ highest }) => highest >= 1 / level).length;
      expect(reached / games.length).toBeLessThanOrEqual(level);
    }
  });

  it('falls in the mean when the mean is under 0', () => {
    const games = sequences([-1, -1, 1], 9).map(play);
    expect(games.reduce((sum, { last }) => sum + last, 0) / games.length).toBeLessThan(0.2);
  });

  it('stays above 0 and finite, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { maxLength: 300 }), (observations) => {
        const test = new BettingTest();
        for (const observation of observations) test.observe(observation);
        expect(Number.isFinite(test.logWealth)).toBe(true);
      }),
    );
  });

  it('grows the sooner the farther the observations are from 0', () => {
    const decidesAfter = (observation: number): number => {
      const test = new BettingTest();
      let count = 0;
      while (test.logWealth < decidingLogWealth(0.01)) {
        test.observe(observation);
        count += 1;
      }
      return count;
    };
    const counts = [1, 0.8, 0.5, 0.3, 0.1, 0.03].map(decidesAfter);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts[0]).toBe(7);
  });
});

describe('the fewest pairs', () => {
  it.each([
    [0.05, 5],
    [0.025, 6],
    [0.01, 7],
    [0.001, 11],
  ])('at a level of %d are %i, and so many of the clearest are enough', (level, pairs) => {
    expect(fewestPairs(level)).toBe(pairs);
    const clearest = (count: number): number => play(Array.from({ length: count }, () => 1)).last;
    expect(clearest(pairs)).toBeGreaterThanOrEqual(1 / level);
    expect(clearest(pairs - 1)).toBeLessThan(1 / level);
  });

  it('never promise too much: no continuation decides before', () => {
    const observation = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(observation, { maxLength: 20 }),
        fc.array(observation, { maxLength: 20 }),
        (seen, coming) => {
          const test = new BettingTest();
          for (const one of seen) test.observe(one);
          const least = fewestPairs(0.05, test.logWealth);
          // With the clearest ones mixed in, which come nearest to it.
          for (const one of coming.map((it) => Math.max(it, 0.5)).slice(0, Math.max(0, least - 1))) test.observe(one);
          if (least > 0) expect(test.logWealth).toBeLessThan(decidingLogWealth(0.05));
        },
      ),
    );
  });

  it('are none when it has decided', () => {
    expect(fewestPairs(0.05, decidingLogWealth(0.05))).toBe(0);
  });
});

it('an observation counts up to the reach, on both sides', () => {
  expect([-9, -0.5, 0.25, 0.5, 9].map((it) => againstMargin(it, 0.25, 0.5))).toEqual([-1, -1, 0, 0.5, 1]);
});
