import { describe, expect, it } from 'vitest';
import { METER_READER } from '../testing/meter-reader.ts';
import { placementOf } from './placement.ts';
import type { Preprocessing } from './processing.ts';

const BASE = METER_READER.preprocessing as Preprocessing;
const spec = (change: Partial<Preprocessing>): Preprocessing => ({ ...BASE, width: 320, height: 320, ...change });

describe('placementOf', () => {
  it.each<[Preprocessing['resize'], object]>([
    ['stretch', { scaleX: 0.25, scaleY: 0.5, left: 0, top: 0 }],
    ['letterbox', { scaleX: 0.25, scaleY: 0.25, left: 0, top: 80 }],
    ['crop', { scaleX: 0.5, scaleY: 0.5, left: -160, top: 0 }],
  ])('says where a picture lies with %s', (resize, expected) => {
    expect(placementOf(spec({ resize }), { width: 1280, height: 640 })).toEqual({
      width: 320,
      height: 320,
      picture: { width: 1280, height: 640 },
      ...expected,
    });
  });

  it('follows the rounding to whole pixels', () => {
    // 100 × 33 becomes 320 × 106, not 105.6; 107 rows stay above, and 0.2 of the first one is beyond the picture.
    const { scaleY, top } = placementOf(spec({ resize: 'letterbox' }), { width: 100, height: 33 });
    expect(scaleY).toBe(3.2);
    expect(top).toBeCloseTo(107.2, 10);
  });

  it.each([
    // As it is, in multiples of 32; smaller where it is too large; never nothing.
    [{ width: 100, height: 40 }, [96, 32]],
    [{ width: 640, height: 320 }, [320, 160]],
    [{ width: 3, height: 500 }, [32, 320]],
  ])('makes %j no larger than asked with within', (picture, [width, height]) => {
    const placed = placementOf(spec({ resize: 'within' }), picture);
    expect(placed).toMatchObject({ width, height });
    expect(placed.scaleX).toBe((width ?? 0) / picture.width);
  });

  it.each([
    [{ width: 100, height: 48 }, 1, 100],
    [{ width: 101, height: 96 }, 1, 51],
    [{ width: 101, height: 96 }, 8, 56],
    [{ width: 1000, height: 48 }, 1, 320],
    [{ width: 1, height: 100 }, 1, 1],
  ])('makes %j as wide as it asks with a fixed height, in multiples of %i', (picture, multipleOf, width) => {
    expect(placementOf(spec({ resize: 'fixed-height', height: 48, multipleOf }), picture)).toMatchObject({
      width,
      height: 48,
    });
  });
});
