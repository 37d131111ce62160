import type { Postprocessing } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { readLine } from './read-line.ts';

const SPEC: Postprocessing = { activation: 'none', confidenceBelow: 0.5, blank: 'first', space: false };
/** Steps that say one class each with a probability, the rest evenly to the others. */
const stepsOf = (classes: number, ...steps: (readonly [index: number, probability: number])[]) => ({
  name: 'y',
  dims: [1, steps.length, classes],
  values: Float32Array.from(
    steps.flatMap(([index, probability]) =>
      Array.from({ length: classes }, (_, i) => (i === index ? probability : (1 - probability) / (classes - 1))),
    ),
  ),
});

describe('readLine', () => {
  it('joins equal neighbours, and takes a letter twice where a blank lies between', () => {
    const line = stepsOf(3, [1, 0.9], [1, 0.8], [0, 0.9], [1, 0.7], [2, 0.8], [0, 0.9]);
    const { text, confidence } = readLine(line, ['a', 'b'], SPEC);
    expect(text).toBe('aab');
    // Of the first step of each character.
    expect(confidence).toBeCloseTo((0.9 + 0.7 + 0.8) / 3, 6);
  });

  it('takes the last class for the blank, and one more for the space', () => {
    const line = stepsOf(4, [0, 0.9], [2, 0.9], [3, 0.9], [1, 0.9]);
    expect(readLine(line, ['a', 'b'], { ...SPEC, blank: 'last', space: true }).text).toBe('a b');
    expect(readLine(stepsOf(4, [1, 0.9], [3, 0.9]), ['a', 'b'], { ...SPEC, space: true }).text).toBe('a ');
  });

  it('makes probabilities of raw scores', () => {
    const line = { name: 'y', dims: [1, 1, 3], values: [0, 2, 0] };
    const { confidence } = readLine(line, ['a', 'b'], { ...SPEC, activation: 'softmax' });
    expect(confidence).toBeCloseTo(Math.exp(2) / (Math.exp(2) + 2), 6);
  });

  it('reads nothing where all is blank, as sure as the blanks are', () => {
    expect(readLine(stepsOf(3, [0, 0.9], [0, 0.7]), ['a', 'b'], SPEC)).toEqual({
      text: '',
      confidence: expect.closeTo(0.8, 6),
    });
  });

  it('refuses another number of classes, and NaN', () => {
    expect(() => readLine(stepsOf(3, [0, 1]), ['a'], SPEC)).toThrow(
      /2 classes \(1 characters and the blank\).*\[1, 1, 3\]/,
    );
    const nothing = { name: 'y', dims: [1, 1, 2], values: [Number.NaN, Number.NaN] };
    expect(() => readLine(nothing, ['a'], SPEC)).toThrow(/no number/);
  });
});
