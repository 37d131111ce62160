import { createHash } from 'node:crypto';

/** xoshiro128** (Blackman and Vigna, 2018): 32 bits a draw, from 128 bits of state that are not all zero. */
const generator = (state: Uint32Array): (() => number) => {
  let [a = 1, b = 0, c = 0, d = 0] = state;
  const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
};

/** Draws from [0, 1) that are the same for the same words, on every machine. */
export const seededRandom = (words: string): (() => number) => {
  const digest = createHash('sha256').update(words).digest();
  const next = generator(Uint32Array.from({ length: 4 }, (_, i) => digest.readUInt32LE(4 * i)));
  return () => next() / 2 ** 32;
};
