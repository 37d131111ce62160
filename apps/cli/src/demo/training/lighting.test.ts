import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PIXELS, SIDE } from './digits.ts';
import { brightnessAt, inTheField, inTheStudio } from './lighting.ts';
import { seededRandom } from './random.ts';

const ink = fc.float({ min: 0, max: 1, noNaN: true });
const picture = fc.array(ink, { minLength: PIXELS, maxLength: PIXELS }).map((values) => Float32Array.from(values));
const NOISE = 0.03;

describe('inTheField', () => {
  it('keeps every pixel from 0 to 1, near its ink in that light', () => {
    fc.assert(
      fc.property(picture, fc.double({ min: 0, max: 1.6, noNaN: true }), fc.integer(), (pixels, share, seed) => {
        const seen = new Float32Array(PIXELS);
        const brightness = brightnessAt(share);
        inTheField(pixels, seen, brightness, seededRandom(seed));
        for (const [index, value] of seen.entries()) {
          expect(value >= 0 && value <= 1).toBe(true);
          const lit = (pixels[index] ?? 0) * brightness;
          expect(Math.abs(value - lit)).toBeLessThanOrEqual(NOISE + 1e-6);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('is dim at each of the places, and dimmer in the cellar than in the hall', () => {
    expect(brightnessAt(0)).toBeLessThan(brightnessAt(1));
    expect(brightnessAt(1)).toBeLessThan(0.75);
  });
});

describe('inTheStudio', () => {
  it('knows black and white alone', () => {
    fc.assert(
      fc.property(picture, (pixels) => {
        const seen = new Float32Array(PIXELS);
        inTheStudio(pixels, seen);
        expect(seen.every((value) => value === 0 || value === 1)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('makes a stroke bold: a dot becomes a cross, also at the edge', () => {
    const inked = (row: number, column: number): number => {
      const pixels = new Float32Array(PIXELS);
      pixels[row * SIDE + column] = 1;
      const seen = new Float32Array(PIXELS);
      inTheStudio(pixels, seen);
      return seen.reduce((sum, value) => sum + value, 0);
    };
    expect([inked(9, 9), inked(0, 9), inked(0, SIDE - 1)]).toEqual([5, 4, 3]);
  });
});
