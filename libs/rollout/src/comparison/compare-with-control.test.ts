import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noiseFrom } from '../testing/noise.ts';
import { type ComparisonQuestion, compareWithControl } from './compare-with-control.ts';
import { ComparisonInputError } from './comparison-input-error.ts';

const P95: ComparisonQuestion = { metric: 'p95', scale: 'ratio', margin: 0.15, level: 0.01 };

/** Differences around an effect, with a little scatter that cancels. */
const around = (effect: number, length: number): number[] =>
  Array.from({ length }, (_, index) => Math.log1p(effect) + (index % 2 === 0 ? 0.02 : -0.02));

const differences = fc.array(fc.double({ min: -1.5, max: 1.5, noNaN: true }), { maxLength: 60 });

describe('a comparison with the control group', () => {
  it('stops a release that is worse, and says by how much and after how many devices', () => {
    const result = compareWithControl(around(0.31, 40), P95);
    expect(result).toMatchObject({
      verdict: 'worse',
      pairs: 13,
      decidedAfter: 13,
      morePairs: 0,
      words: 'stopped: p95 +31.2 % against control, margin 15 %, after 13 devices',
    });
    expect(result.estimate).toBeCloseTo(0.312, 3);
    expect(result.lower).toBeGreaterThanOrEqual(0.15);
    expect(result.upper).toBeGreaterThan(0.31);
    expect(result.evidence.worse).toBeGreaterThanOrEqual(100);
    expect(result.evidence.notWorse).toBeLessThan(1);
  });

  it('lets a release pass that is not worse, and goes on looking', () => {
    const result = compareWithControl(around(0, 40), P95);
    expect(result).toMatchObject({ verdict: 'not-worse', pairs: 40, morePairs: 0 });
    expect(result.words).toBe('passed: p95 +0 % against control, margin 15 %, after 40 devices');
    expect(result.decidedAfter).toBeLessThan(15);
    expect(result.upper).toBeLessThanOrEqual(0.15);
    expect(result.lower).toBeLessThan(0);
  });

  it('cannot tell of a release between the two, and says how many more pairs it takes at the least', () => {
    const result = compareWithControl(around(0.14, 12), P95);
    expect(result).toMatchObject({ verdict: 'cannot-tell', decidedAfter: null, pairs: 12 });
    expect(result.morePairs).toBeGreaterThan(5);
    expect(result.words).toBe(
      `cannot tell yet: p95 +14 % against control, margin 15 %, after 12 devices; at least ${result.morePairs} more pairs are needed`,
    );
  });

  it('cannot tell before the first pair', () => {
    expect(compareWithControl([], P95)).toMatchObject({
      verdict: 'cannot-tell',
      estimate: null,
      lower: null,
      upper: null,
      evidence: { worse: 1, notWorse: 1 },
      morePairs: 7,
      words: 'cannot tell yet: no pair of devices has measured p95; at least 7 more pairs are needed',
    });
  });

  it.each([
    [3, 3, 'at least 4 more pairs are needed, and no more can come'],
    [3, 5, 'at least 4 more pairs are needed, and at most 2 can come'],
    [6, 7, 'at least 1 more pair is needed'],
  ])(
    'with %i of %i planned pairs, all three times as slow, it cannot tell and says so',
    (pairs, plannedPairs, words) => {
      const result = compareWithControl(Array(pairs).fill(Math.log(3)), { ...P95, plannedPairs });
      expect(result.verdict).toBe('cannot-tell');
      expect(result.words).toBe(
        `cannot tell${pairs < 6 ? '' : ' yet'}: p95 +200 % against control, margin 15 %, after ${pairs} devices; ${words}`,
      );
    },
  );

  it('speaks of rates in percentage points', () => {
    const result = compareWithControl(Array(12).fill(0.08), {
      metric: 'unsure answers',
      scale: 'difference',
      margin: 0.03,
      level: 0.01,
    });
    expect(result.words).toBe(
      'stopped: unsure answers +8 percentage points against control, margin 3 percentage points, after 8 devices',
    );
  });

  it('a stop on a beginning of the list is the same stop on the whole, and nothing is unsaid by a pause', () => {
    fc.assert(
      fc.property(differences, fc.nat(), (list, cut) => {
        const looked = list.slice(0, cut % (list.length + 1));
        const before = compareWithControl(looked, P95);
        const after = compareWithControl(list, P95);
        if (before.verdict === 'worse') expect(after).toEqual(before);
        if (before.verdict === 'not-worse') expect(after.verdict).not.toBe('cannot-tell');
        if (after.verdict === 'not-worse' && before.verdict === 'not-worse') {
          expect(after.decidedAfter).toBe(before.decidedAfter);
        }
        // Looking again, or in between, is no event.
        expect(compareWithControl(list, P95)).toEqual(after);
        if (after.decidedAfter !== null) {
          const then = compareWithControl(list.slice(0, after.decidedAfter), P95);
          expect(then.verdict).toBe(after.verdict);
          const earlier = compareWithControl(list.slice(0, after.decidedAfter - 1), P95);
          expect(earlier.verdict).not.toBe(after.verdict);
        }
      }),
    );
  });

  it('a verdict and its bounds agree', () => {
    fc.assert(
      fc.property(differences, (list) => {
        const { verdict, lower, upper } = compareWithControl(list, P95);
        const slack = 1e-9;
        expect((lower ?? -9) >= 0.15 - slack).toBe(verdict === 'worse');
        if (verdict === 'not-worse') expect(upper ?? 9).toBeLessThanOrEqual(0.15 + slack);
        if (verdict === 'cannot-tell') expect(upper ?? 9).toBeGreaterThan(0.15);
      }),
    );
  });

  it('"worse" wins over a "not worse" that came before', () => {
    const turned = [...around(0, 15), ...around(0.6, 40)];
    expect(compareWithControl(turned.slice(0, 15), P95).verdict).toBe('not-worse');
    const result = compareWithControl(turned, P95);
    expect(result.verdict).toBe('worse');
    expect(result.decidedAfter).toBeGreaterThan(15);
  });

  it('"not worse" has a level of its own when it is given', () => {
    const pass = (notWorseLevel: number) => compareWithControl(around(0, 40), { ...P95, notWorseLevel }).decidedAfter;
    expect(pass(0.2)).toBeLessThan(pass(0.001) ?? 0);
  });

  it.each([
    [{ margin: 0 }, /the margin of a comparison to be a number above 0, got 0/],
    [{ margin: Number.NaN }, /the margin of a comparison to be a number above 0, got NaN/],
    [{ level: 0 }, /the level of a comparison to be a number between 0 and 1, got 0/],
    [{ notWorseLevel: 1 }, /the level for "not worse" to be a number between 0 and 1, got 1/],
    [{ plannedPairs: -1 }, /the planned pairs to be a whole number from 0 up, got -1/],
  ])('is refused with %j', (wrong, message) => {
    expect(() => compareWithControl([], { ...P95, ...wrong })).toThrow(message);
    expect(() => compareWithControl([], { ...P95, ...wrong })).toThrow(ComparisonInputError);
  });

  it('is refused with a difference that is no number', () => {
    expect(() => compareWithControl([0.1, Number.NaN], P95)).toThrow(
      /the difference of pair 2 to be a finite number, got NaN; leave pairs out/,
    );
  });
});

describe('in 500 rollouts each, looked at after every pair', () => {
  const ROLLOUTS = 500;
  const shares = (shape: 'normal' | 'heavy' | 'skewed', effect: number, sigma: number, pairs: number) => {
    const noise = noiseFrom(shape, 1);
    const counts = { worse: 0, 'not-worse': 0, 'cannot-tell': 0 };
    for (let rollout = 0; rollout < ROLLOUTS; rollout += 1) {
      // A pair's noise is that of two devices, each a √2th of it.
      const pair = () => Math.log1p(effect) + (sigma / Math.SQRT2) * (noise() - noise());
      counts[compareWithControl(Array.from({ length: pairs }, pair), P95).verdict] += 1;
    }
    return counts;
  };

  it.each([
    ['normal', 0.1],
    ['normal', 0.3],
    ['heavy', 0.3],
    ['skewed', 0.3],
  ] as const)(
    'a release exactly at the margin is stopped, and let pass, as seldom as promised: %s, σ %d',
    (shape, sigma) => {
      const counts = shares(shape, 0.15, sigma, 200);
      // 5 may be; 14 or more would be with a probability under 0.001.
      expect(counts.worse).toBeLessThan(14);
      expect(counts['not-worse']).toBeLessThan(14);
    },
  );

  it('+30 % is found by 20 pairs whose differences have a σ of 0.1 in 90 %', () => {
    expect(shares('normal', 0.3, 0.1, 20).worse).toBeGreaterThanOrEqual(0.9 * ROLLOUTS);
  });

  it('a harmless release passes with 20 such pairs in 90 %, and none is stopped', () => {
    const counts = shares('normal', 0, 0.1, 20);
    expect(counts['not-worse']).toBeGreaterThanOrEqual(0.9 * ROLLOUTS);
    expect(counts.worse).toBe(0);
  });

  it('five pairs never tell, however bad it is', () => {
    expect(shares('normal', 2, 0.3, 5)['cannot-tell']).toBe(ROLLOUTS);
  });
});
