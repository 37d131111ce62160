import { seededRandom } from '../../seeded-random.ts';

/**
 * The order in which an epoch goes through its samples: the same for the same seed, round and epoch, on every machine,
 * so that a device that has to start again comes to the same update. Fisher and Yates' shuffle.
 */
export const sampleOrder = (count: number, seed: number, round: string, epoch: number): Uint32Array => {
  const random = seededRandom(`aviary order v1 ${seed} ${round} ${epoch}`);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    // A product of 32 bits and a count below 2^21 is exact in a double.
    const j = Math.floor(random() * (i + 1));
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
};
