import { describe, expect, it } from 'vitest';
import { countWords, shareWords } from './number-words.ts';

describe('shareWords', () => {
  it.each([
    [0, 0, '–'],
    [0, 5, '0 %'],
    [5, 5, '100 %'],
    [1, 3, '33.3 %'],
    [1, 1_000_000, '0.01 %'],
    [999_999, 1_000_000, '99.99 %'],
  ])('%d of %d is %s', (part, whole, words) => {
    expect(shareWords(part, whole)).toBe(words);
  });
});

it('countWords groups by thousands', () => {
  expect(countWords(1_234_567)).toBe('1,234,567');
});
