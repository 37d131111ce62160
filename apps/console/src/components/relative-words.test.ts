import { expect, it } from 'vitest';
import { relativeWords } from './relative-words.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const SECOND = 1000;
const HOUR = 3600 * SECOND;

it.each([
  [0, 'just now'],
  [1.9 * SECOND, 'just now'],
  [-1.9 * SECOND, 'just now'],
  [20 * SECOND, '20 s ago'],
  [59.6 * SECOND, '59 s ago'],
  [61 * SECOND, '1 min ago'],
  [-20 * SECOND, 'in 20 s'],
  [47 * HOUR, '47 h ago'],
  [48 * HOUR, '2 d ago'],
  [-72 * HOUR, 'in 3 d'],
])('%d ms before is “%s”', (distance, words) => {
  expect(relativeWords(NOW - distance, NOW)).toBe(words);
});
