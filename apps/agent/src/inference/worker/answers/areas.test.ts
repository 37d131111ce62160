import type { Placement } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { readAreas } from './areas.ts';

const whole: Placement = {
  width: 4,
  height: 2,
  picture: { width: 4, height: 2 },
  scaleX: 1,
  scaleY: 1,
  left: 0,
  top: 0,
};
/** Scores of three labels for 4 × 2 pixels: label 2 on the left half, label 0 on the right. */
const PIXELS = [
  [0, 0, 2],
  [0, 0, 2],
  [1, 0, 0],
  [1, 0, 0],
  [0, 0, 2],
  [0, 0, 2],
  [1, 0, 0],
  [1, 0, 0],
];
const NHWC = { name: 'y', dims: [1, 2, 4, 3], values: Float32Array.from(PIXELS.flat()) };
const NCHW = {
  name: 'y',
  dims: [1, 3, 2, 4],
  values: Float32Array.from([0, 1, 2].flatMap((label) => PIXELS.map((pixel) => pixel[label] as number))),
};

describe('readAreas', () => {
  it.each([
    ['channels first', NCHW],
    ['channels last', NHWC],
  ])('takes the largest score of each pixel, %s', (_, output) => {
    const { shares, confidence } = readAreas(output, 3, { activation: 'softmax' }, whole);
    expect([...shares]).toEqual([0.5, 0, 0.5]);
    // Softmax of 2, 0, 0 and of 1, 0, 0.
    expect(confidence).toBeCloseTo((Math.exp(2) / (Math.exp(2) + 2) + Math.E / (Math.E + 2)) / 2, 6);
  });

  it('takes a map of classes as it is, and is sure of it', () => {
    const map = { name: 'y', dims: [1, 2, 4], values: [1, 1, 1, 1, 1, 1, 2, 2] };
    const { shares, confidence } = readAreas(map, 3, { activation: 'softmax' }, whole);
    expect([...shares]).toEqual([0, 0.75, 0.25]);
    expect(confidence).toBe(1);
    expect([...readAreas({ ...map, dims: [1, 1, 2, 4] }, 3, { activation: 'none' }, whole).shares]).toEqual([
      0, 0.75, 0.25,
    ]);
  });

  it('does not count what a letterbox has filled', () => {
    const map = { name: 'y', dims: [1, 4, 4], values: [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 0, 0, 0, 0] };
    const placement = { ...whole, height: 4, top: 1 };
    expect([...readAreas(map, 3, { activation: 'none' }, placement).shares]).toEqual([0, 0.75, 0.25]);
  });

  it('refuses other shapes, and classes of no label', () => {
    const read = (dims: number[], values: number[]) =>
      readAreas({ name: 'y', dims, values }, 3, { activation: 'none' }, whole);
    expect(() => read([1, 5, 2, 4], new Array(40).fill(0))).toThrow(/a map of classes \[1, H, W\].*\[1, 5, 2, 4\]/);
    expect(() => read([1, 1, 2], [0, 3])).toThrow('the model gave 3 as the class of a pixel, of 3 labels');
  });
});
