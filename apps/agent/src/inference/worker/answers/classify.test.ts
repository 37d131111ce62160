import { describe, expect, it } from 'vitest';
import { classify } from './classify.ts';

const labels = ['cat', 'dog', 'hen'];

describe('classify', () => {
  it('gives the largest with its softmax share', () => {
    // exp(2) / (exp(1) + exp(2) + exp(0)) = 7.38906 / 11.10734
    const answer = classify([1, 2, 0], labels, { activation: 'softmax', confidenceBelow: 0.7 });
    expect(answer).toMatchObject({ label: 'dog', index: 1, lowConfidence: true });
    expect(answer.confidence).toBeCloseTo(0.665241, 6);
  });

  it('does not overflow on large scores', () => {
    expect(classify([1000, 0, 990], labels, { activation: 'softmax', confidenceBelow: 0.5 }).confidence).toBeCloseTo(
      0.9999546,
      6,
    );
  });

  it('takes a confidence as it is without activation, sure at the threshold itself', () => {
    expect(classify([0.1, 0.1, 0.8], labels, { activation: 'none', confidenceBelow: 0.8 })).toEqual({
      label: 'hen',
      index: 2,
      confidence: 0.8,
      lowConfidence: false,
    });
  });

  it.each([
    [[Number.NaN, 1, 2], /NaN/],
    [[1, 2], /expected 3 scores, one per label, but the model gave 2/],
    [[Number.POSITIVE_INFINITY, 0, 0], /Infinity/],
  ])('refuses %j', (scores, words) => {
    expect(() => classify(scores, labels, { activation: 'softmax', confidenceBelow: 0.5 })).toThrow(words);
  });
});
