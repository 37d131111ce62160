import type { ShadowReport } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { shadowCell } from './shadow-words.ts';

const report: ShadowReport = {
  verdict: 'agrees',
  frames: 200,
  agreement: 0.985,
  lower: 0.957,
  upper: 0.995,
  failed: 0,
  dropped: 0,
  seconds: 60,
  words: 'agrees with a@1.0.0',
};

describe('how far a release agreed in shadow, in a table', () => {
  it.each<[string, ShadowReport | null]>([
    ['98.5 % of 200', report],
    ['98.5 % of 200', { ...report, verdict: 'measured' }],
    ['98.5 % of 200, cannot tell', { ...report, verdict: 'cannot-tell' }],
    ['98.5 % of 200, disagrees', { ...report, verdict: 'disagrees' }],
    ['saw no frame', { ...report, verdict: 'cannot-tell', frames: 0, agreement: null }],
    ['not possible', { ...report, verdict: 'not-possible', frames: 0, agreement: null }],
    ['-', null],
  ])('is %s', (words, shadow) => {
    expect(shadowCell(shadow)).toBe(words);
  });
});
