import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

describe('the back-off', () => {
  it('doubles up to its longest, and starts small again after a success', () => {
    const backoff = new Backoff(100, 1_000, () => 0);
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([50, 100, 200, 400, 500, 500]);
    backoff.reset();
    expect(backoff.next()).toBe(50);
  });

  it('stays within half and the whole of that time, after any number of failures', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(2_000), (drawn, failures) => {
        const backoff = new Backoff(500, 60_000, () => drawn);
        let pause = 0;
        for (let i = 0; i <= failures; i += 1) pause = backoff.next();
        const limit = Math.min(60_000, 500 * 2 ** failures);
        expect(pause).toBeGreaterThanOrEqual(limit / 2);
        expect(pause).toBeLessThanOrEqual(limit);
      }),
    );
  });
});
