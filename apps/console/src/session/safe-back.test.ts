import { expect, it } from 'vitest';
import { safeBack } from './safe-back.ts';

it.each([
  ['/devices?selector=site%20%3D%20lyon', '/devices?selector=site%20%3D%20lyon'],
  ['/', '/'],
  ['//elsewhere.example', '/'],
  ['/\\elsewhere.example', '/'],
  ['https://elsewhere.example', '/'],
  ['javascript:alert(1)', '/'],
  [undefined, '/'],
  [7, '/'],
])('after logging in with the way back %j one is at %s', (back, at) => {
  expect(safeBack(back)).toBe(at);
});
