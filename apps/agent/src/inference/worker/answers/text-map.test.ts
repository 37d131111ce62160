import { detectionSpec } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { readTextMap } from './text-map.ts';

/** A map of 20 × 10 with rectangles of one value each. */
const mapOf = (...rectangles: (readonly [x: number, y: number, width: number, height: number, value: number])[]) => {
  const values = new Float32Array(200);
  for (const [left, top, width, height, value] of rectangles) {
    for (let y = top; y < top + height; y += 1) for (let x = left; x < left + width; x += 1) values[y * 20 + x] = value;
  }
  return { name: 'map', dims: [1, 1, 10, 20], values };
};
const SPEC = detectionSpec({ decoder: 'db' });
const SIZE = { width: 20, height: 10 };

describe('readTextMap', () => {
  it('widens the box around each area by area · unclip ÷ circumference', () => {
    // 6 × 4: 24 · 1.5 ÷ 20 = 1.8.
    const found = readTextMap(mapOf([4, 3, 6, 4, 0.9]), SPEC, SIZE);
    expect(found.objects).toHaveLength(1);
    const [object] = found.objects;
    expect(object?.score).toBeCloseTo(0.9, 5);
    for (const [key, value] of [
      ['left', 2.2],
      ['top', 1.2],
      ['right', 11.8],
      ['bottom', 8.8],
    ] as const) {
      expect(object?.[key]).toBeCloseTo(value, 5);
    }
  });

  it('stays within the map, and gives boxes in pixels of the input', () => {
    const [object] = readTextMap(mapOf([0, 0, 20, 10, 1]), SPEC, { width: 40, height: 40 }).objects;
    expect(object).toMatchObject({ left: 0, top: 0, right: 40, bottom: 40 });
  });

  it('tells areas apart that do not touch, and joins those that touch at a corner', () => {
    const touching = mapOf([0, 0, 4, 4, 0.9], [4, 4, 4, 4, 0.9], [14, 0, 4, 4, 0.9]);
    expect(readTextMap(touching, { ...SPEC, unclip: 0 }, SIZE).objects).toMatchObject([
      { left: 0, top: 0, right: 8, bottom: 8 },
      { left: 14, top: 0, right: 18, bottom: 4 },
    ]);
  });

  it('leaves out specks and what is unsure, and tells how sure the best of that was', () => {
    const found = readTextMap(mapOf([0, 0, 2, 8, 1], [6, 0, 6, 6, 0.5]), SPEC, SIZE);
    expect(found.objects).toEqual([]);
    expect(found.bestRejected).toBeCloseTo(0.5, 5);
    expect(readTextMap(mapOf(), SPEC, SIZE)).toEqual({ objects: [], bestRejected: 0 });
  });

  it('refuses what is no map', () => {
    const output = { name: 'y', dims: [1, 2, 3, 4], values: new Float32Array(24) };
    expect(() => readTextMap(output, SPEC, SIZE)).toThrow(/\[1, 1, H, W\].*\[1, 2, 3, 4\]/);
  });
});
