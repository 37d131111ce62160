import { PIXELS, SIDE } from './digits.ts';

/** How bright ink is in the field: from a dim cellar to a hall with a lamp. */
const DIMMEST = 0.42;
const BRIGHTEST = 0.66;

/** A picture as a camera in the field gives it: dim, with a little noise. Values 0 to 1. */
export const inTheField = (
  pixels: Float32Array,
  into: Float32Array,
  brightness: number,
  random: () => number,
): void => {
  for (let index = 0; index < PIXELS; index += 1) {
    into[index] = Math.min(1, Math.max(0, (pixels[index] ?? 0) * brightness + (random() - 0.5) * 0.06));
  }
};

/** @param share 0 the dimmest place, 1 the brightest */
export const brightnessAt = (share: number): number => DIMMEST + (BRIGHTEST - DIMMEST) * share;

/** What is left of the ink when the lamp fails, what the sensor's black level swallows, and how much its gain adds of noise. */
const UNDER_EXPOSED = { brightness: 0.25, blackLevel: 0.17, noise: 0.1 };

/**
 * A picture as a camera gives it when its lamp has failed: faint strokes sink under the sensor's black level, the rest is
 * barely above it, with the noise of a gain turned up. Values 0 to 1.
 */
export const underExposed = (pixels: Float32Array, into: Float32Array, random: () => number): void => {
  const { brightness, blackLevel, noise } = UNDER_EXPOSED;
  for (let index = 0; index < PIXELS; index += 1) {
    const light = (pixels[index] ?? 0) * brightness + (random() - 0.5) * noise - blackLevel;
    into[index] = Math.min(1, Math.max(0, light));
  }
};

/** A picture as a studio gives it: every stroke bold, fully black on fully white. Values 0 and 1. */
export const inTheStudio = (pixels: Float32Array, into: Float32Array): void => {
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      let ink = 0;
      for (const [dx, dy] of [
        [0, 0],
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ] as const) {
        const [column, row] = [x + dx, y + dy];
        if (column >= 0 && column < SIDE && row >= 0 && row < SIDE)
          ink = Math.max(ink, pixels[row * SIDE + column] ?? 0);
      }
      into[y * SIDE + x] = ink > 0.35 ? 1 : 0;
    }
  }
};
