import { expect, it } from 'vitest';
import { inReadingOrder } from './reading-order.ts';

const at = (left: number, top: number, height = 10) => ({ box: { left, top, width: 10, height } });

it('reads lines from the top, each from the left, though they stand a little askew', () => {
  const [a, b, c, d] = [at(0, 3), at(40, 0), at(20, 1), at(0, 20)];
  expect(inReadingOrder([d, b, a, c])).toEqual([a, c, b, d]);
  expect(inReadingOrder([])).toEqual([]);
});
