import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../seeded-random.ts';
import { judgeShadow, wilsonInterval } from './shadow-judge.ts';

const judged = (
  agreed: number,
  frames: number,
  minAgreement?: number,
  more: { failed?: number; dropped?: number } = {},
) =>
  judgeShadow(minAgreement === undefined ? {} : { minAgreement }, {
    tally: { frames, agreed, failed: 0, dropped: 0, ...more },
    against: 'a@1.0.0',
    seconds: 12.34,
  });

describe("Wilson's interval", () => {
  // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
  it.each([
    [81 / 263, 263, 0.2553, 0.3662],
    [15 / 148, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1 / 29, 29, 0.0061, 0.1718],
  ])('of %d in %d is known', (mean, count, lower, upper) => {
    const interval = wilsonInterval(mean, count);
    expect(interval.lower).toBeCloseTo(lower, 4);
    expect(interval.upper).toBeCloseTo(upper, 4);
  });

  it('holds its mean, lies between 0 and 1, and narrows with the count', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 10_000 }), (mean, count) => {
        const { lower, upper } = wilsonInterval(mean, count);
        expect(lower).toBeGreaterThanOrEqual(0);
        expect(upper).toBeLessThanOrEqual(1);
        expect(lower).toBeLessThanOrEqual(mean + 1e-12);
        expect(upper).toBeGreaterThanOrEqual(mean - 1e-12);
        const more = wilsonInterval(mean, count * 2);
        expect(more.upper - more.lower).toBeLessThan(upper - lower + 1e-12);
      }),
    );
  });
});

describe('the judgement of a run in shadow', () => {
  it.each<[string, number, number, number | undefined, string]>([
    ['agrees surely', 990, 1_000, 0.9, 'agrees'],
    ['disagrees surely', 700, 1_000, 0.9, 'disagrees'],
    ['is below, and few frames say so', 8, 10, 0.9, 'cannot-tell'],
    ['is above, and few frames say so', 10, 10, 0.9, 'cannot-tell'],
    ['disagrees on all of a few frames', 0, 10, 0.9, 'disagrees'],
    ['saw no frame', 0, 0, 0.9, 'cannot-tell'],
    ['need not agree', 0, 1_000, undefined, 'measured'],
    ['need not agree, and saw no frame', 0, 0, undefined, 'measured'],
    ['agrees on everything where that is asked for', 1_000, 1_000, 1, 'cannot-tell'],
  ])('%s', (_, agreed, frames, minAgreement, verdict) => {
    expect(judged(agreed, frames, minAgreement).verdict).toBe(verdict);
  });

  it('says what was measured', () => {
    expect(judged(700, 1_000, 0.9, { failed: 2, dropped: 7 }).words).toBe(
      'agrees with a@1.0.0 on 70 % of 1000 frames (95 % interval 67.1 % to 72.8 %), at least 90 % asked for; 2 of them it could not answer; 7 more it was too slow to see',
    );
    expect(judged(10, 10, 0.9).words).toContain('at least 90 % asked for: too few frames to tell');
    expect(judged(0, 0, 0.9)).toMatchObject({
      agreement: null,
      lower: null,
      seconds: 12.3,
      words: 'no frame was compared with a@1.0.0, at least 90 % asked for: it cannot be told whether it agrees',
    });
  });

  it('refuses a release that agrees exactly as asked for in at most 5 of 100 cases', () => {
    const random = seededRandom('shadow');
    const refused = Array.from({ length: 4_000 }, () => {
      const agreed = Array.from({ length: 60 }, () => (random() < 0.9 ? 1 : 0)).reduce<number>(
        (sum, one) => sum + one,
        0,
      );
      return judged(agreed, 60, 0.9).verdict === 'disagrees';
    }).filter(Boolean).length;
    expect(refused / 4_000).toBeLessThan(0.05);
    expect(refused).toBeGreaterThan(0);
  });
});
