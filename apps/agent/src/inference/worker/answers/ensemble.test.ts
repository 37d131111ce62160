import { describe, expect, it } from 'vitest';
import { answerTogether } from './ensemble.ts';

const LABELS = ['a', 'b', 'c'];
const SAID = [Float64Array.of(0.9, 0.05, 0.05), Float64Array.of(0.3, 0.4, 0.3), Float64Array.of(0.3, 0.4, 0.3)];

describe('answerTogether', () => {
  it('takes the highest mean', () => {
    expect(answerTogether(SAID, 'mean', LABELS, 0.6)).toEqual({
      label: 'a',
      index: 0,
      confidence: expect.closeTo(0.5, 10),
      lowConfidence: true,
    });
  });

  it('takes what most say, though the mean be another', () => {
    expect(answerTogether(SAID, 'vote', LABELS, 0.2)).toEqual({
      label: 'b',
      index: 1,
      confidence: expect.closeTo(0.85 / 3, 10),
      lowConfidence: false,
    });
  });

  it('takes of equal votes the more probable', () => {
    expect(answerTogether([Float64Array.of(0.6, 0.4), Float64Array.of(0.1, 0.9)], 'vote', ['a', 'b'], 0).label).toBe(
      'b',
    );
  });
});
