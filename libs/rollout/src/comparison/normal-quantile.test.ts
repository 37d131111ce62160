import { expect, it } from 'vitest';
import { normalQuantile } from './normal-quantile.ts';

it.each([
  [0.5, 0],
  [0.9, 1.2815515655],
  [0.975, 1.9599639845],
  [0.99, 2.326347874],
  [0.999, 3.0902323062],
  [1e-6, -4.7534243088],
  [1e-14, -7.650628],
])('a normal variable stays under its quantile with a probability of %d', (probability, quantile) => {
  expect(normalQuantile(probability)).toBeCloseTo(quantile, 5);
  if (probability > 1e-6) expect(normalQuantile(1 - probability)).toBeCloseTo(-quantile, 5);
});
