import { detectionSpec, type Placement } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { readYolo } from './yolo.ts';

const tensor: Placement = {
  width: 64,
  height: 32,
  picture: { width: 64, height: 32 },
  scaleX: 1,
  scaleY: 1,
  left: 0,
  top: 0,
};
/** Candidates as they come out of the head: cx, cy, w, h, (objectness,) scores of two labels. */
const V5 = [
  [10, 10, 4, 6, 0.9, 0.2, 0.8],
  [30, 20, 8, 8, 0.5, 0.4, 0.1],
];
const V8 = [
  [10, 10, 4, 6, 0.2, 0.72],
  [30, 20, 8, 8, 0.2, 0.05],
];
const flat = (rows: readonly (readonly number[])[]) => Float32Array.from(rows.flat());
const transposed = (rows: readonly (readonly number[])[]) =>
  Float32Array.from((rows[0] ?? []).flatMap((_, column) => rows.map((row) => row[column] as number)));

describe('readYolo', () => {
  it.each([
    ['yolov5', { name: 'y', dims: [1, 2, 7], values: flat(V5) }],
    ['yolov8', { name: 'y', dims: [1, 6, 2], values: transposed(V8) }],
  ] as const)('reads what %s exports', (decoder, output) => {
    const { objects, bestRejected } = readYolo(output, 2, detectionSpec({ decoder }), tensor);
    expect(objects).toHaveLength(1);
    expect(objects[0]).toMatchObject({ index: 1, left: 8, top: 7, right: 12, bottom: 13 });
    expect(objects[0]?.score).toBeCloseTo(0.72, 5);
    expect(bestRejected).toBeCloseTo(0.2, 5);
  });

  it('reads raw scores and boxes as shares of the input, with corners', () => {
    const output = { name: 'y', dims: [1, 6, 1], values: Float32Array.of(0.25, 0.25, 0.5, 0.5, -3, 2) };
    const spec = detectionSpec({ decoder: 'yolov8', activation: 'sigmoid', boxes: 'xyxy', unit: 'shares' });
    const [object] = readYolo(output, 2, spec, tensor).objects;
    expect(object).toMatchObject({ index: 1, left: 16, top: 8, right: 32, bottom: 16 });
    expect(object?.score).toBeCloseTo(1 / (1 + Math.exp(-2)), 5);
  });

  it('refuses other shapes, and scores that are no numbers', () => {
    const read = (dims: number[], values: Float32Array) =>
      readYolo({ name: 'y', dims, values }, 2, detectionSpec({ decoder: 'yolov8' }), tensor);
    expect(() => read([1, 2, 6], new Float32Array(12))).toThrow(
      /\[1, 6, N\] of decoder yolov8 and 2 labels.*\[1, 2, 6\]/,
    );
    expect(() => read([1, 6, 1], new Float32Array(6).fill(Number.NaN))).toThrow(/no number/);
  });
});
