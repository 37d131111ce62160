import { expect, it } from 'vitest';
import { retryAfter } from './retry.ts';

it('waits twice as long after each failure, and an hour at the most', () => {
  expect([1, 2, 3, 6, 7, 10].map((failed) => retryAfter(failed, 0))).toEqual([60, 120, 240, 1_920, 3_600, 3_600]);
});

it('spreads what failed together over half of the time again', () => {
  expect([retryAfter(2, 0.5), retryAfter(2, 1)]).toEqual([150, 180]);
});
