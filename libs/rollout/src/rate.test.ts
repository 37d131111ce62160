import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RateState, ratePerMinute, refill } from './rate.ts';

describe('ratePerMinute', () => {
  it('grows with successes alone', () => {
    const rate = { perMinute: 200, increase: 1.5 };
    expect([0, 199, 200, 400].map((succeeded) => ratePerMinute(rate, succeeded))).toEqual([200, 200, 300, 450]);
    expect(ratePerMinute({ perMinute: 200, increase: 1.5, every: 10 }, 20)).toBe(450);
    expect(ratePerMinute({ perMinute: 200, increase: 1 }, 1e6)).toBe(200);
  });

  it('has an end', () => {
    expect(ratePerMinute({ perMinute: 200, increase: 10, every: 1 }, 1e6)).toBe(1e6);
  });
});

describe('refill', () => {
  it('begins with a sixth of a minute, and with one device at the least', () => {
    expect(refill({ perMinute: 60, increase: 1 }, null, 0, 5)).toEqual({ tokens: 10, at: 5 });
    expect(refill({ perMinute: 0.5, increase: 1 }, null, 0, 5)).toEqual({ tokens: 1, at: 5 });
  });

  it('does not save up more than that, however long nobody looked', () => {
    expect(refill({ perMinute: 60, increase: 1 }, { tokens: 0, at: 0 }, 0, 3_600_000).tokens).toBe(10);
  });

  it('adds nothing for a clock that goes back', () => {
    expect(refill({ perMinute: 60, increase: 1 }, { tokens: 2, at: 9_000 }, 0, 1_000)).toEqual({
      tokens: 2,
      at: 9_000,
    });
  });

  it('never lets more start than the rate, however often and unevenly one looks', () => {
    const steps = fc.array(fc.record({ pause: fc.nat({ max: 90_000 }), wanted: fc.nat({ max: 50 }) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 500, noNaN: true }), steps, (perMinute, looks) => {
        let state: RateState | null = null;
        let now = 0;
        let started = 0;
        for (const { pause, wanted } of looks) {
          now += pause;
          const refilled = refill({ perMinute, increase: 1 }, state, 0, now);
          const taken = Math.min(wanted, Math.floor(refilled.tokens));
          state = { ...refilled, tokens: refilled.tokens - taken };
          started += taken;
          expect(started).toBeLessThanOrEqual(Math.max(1, perMinute / 6) + (now / 60_000) * perMinute + 1e-6);
        }
      }),
    );
  });
});
