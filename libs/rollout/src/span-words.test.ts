import { describe, expect, it } from 'vitest';
import { spanWords } from './span-words.ts';

describe('spanWords', () => {
  it.each([
    [0, '0s'],
    [44.2, '45s'],
    [60, '1m'],
    [725, '12m 5s'],
    [3_600 + 5, '1h'],
    [19_200, '5h 20m'],
    [86_400 * 2 + 3 * 3_600 + 59, '2d 3h'],
  ])('%s s is %s', (seconds, words) => {
    expect(spanWords(seconds)).toBe(words);
  });
});
