import { describe, expect, it } from 'vitest';
import { type Digit, loadDigits, PIXELS } from './digits.ts';
import { type TrainingOptions, train } from './trainer.ts';

const sizes = [PIXELS, 16, 10];
const options: TrainingOptions = {
  sizes,
  epochs: 3,
  learningRate: 0.3,
  seed: 4,
  present: (pixels, into) => into.set(pixels),
};

/** What the layers answer, computed here in plain arithmetic. */
const answer = (layers: Awaited<ReturnType<typeof train>>, pixels: Float32Array): number => {
  let values: readonly number[] = [...pixels];
  for (const [index, { w, b }] of layers.entries()) {
    const sums = [...b].map((bias, output) =>
      values.reduce((sum, value, input) => sum + value * (w[input * b.length + output] ?? 0), bias),
    );
    values = index === layers.length - 1 ? sums : sums.map((sum) => Math.max(0, sum));
  }
  return values.indexOf(Math.max(...values));
};

const rightOf = (layers: Awaited<ReturnType<typeof train>>, digits: readonly Digit[]): number =>
  digits.filter(({ label, pixels }) => answer(layers, pixels) === label).length / digits.length;

describe('train', async () => {
  const { training, heldOut } = await loadDigits();
  const few = training.slice(0, 1_000);

  it('learns: right of a tenth before, of most that it never saw after', async () => {
    const unseen = heldOut.slice(0, 300);
    expect(rightOf(await train(few, { ...options, epochs: 0 }), unseen)).toBeLessThan(0.3);
    expect(rightOf(await train(few, options), unseen)).toBeGreaterThan(0.75);
  });

  it('makes the same weights from the same seed, and others from another', async () => {
    const one = await train(few, options);
    expect(await train(few, options)).toEqual(one);
    expect(await train(few, { ...options, seed: 5 })).not.toEqual(one);
  });

  it('ends when it is told to', async () => {
    const reason = new Error('enough');
    const aborted = new AbortController();
    const told = train(few, {
      ...options,
      epochs: 1_000_000,
      signal: aborted.signal,
      present: (pixels, into) => {
        into.set(pixels);
        aborted.abort(reason);
      },
    });
    await expect(told).rejects.toBe(reason);
  });
});
