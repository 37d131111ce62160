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

/**
 * The order in which an epoch goes through its samples: the same for the same seed, round and epoch, on every machine,
 * so that a device that has to start again comes to the same update. Fisher and Yates' shuffle.
 */
export const sampleOrder = (count: number, seed: number, round: string, epoch: number): Uint32Array => {
  const digest = createHash('sha256').update(`aviary order v1 ${seed} ${round} ${epoch}`).digest();
  const state = Uint32Array.from({ length: 4 }, (_, i) => digest.readUInt32LE(4 * i));
  const next = generator(state);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    // A product of 32 bits and a count below 2^21 is exact in a double.
    const j = Math.floor((next() / 2 ** 32) * (i + 1));
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
};
