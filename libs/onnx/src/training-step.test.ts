import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { buildMlpTrainingStep } from './training-step.ts';

/** A small repeatable generator (mulberry32); the quality of its numbers does not matter here. */
const generator = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};

type Matrix = number[][];
const at = (matrix: Matrix, row: number, column: number): number => matrix[row]?.[column] ?? Number.NaN;

/** The same mathematics written loop by loop in float64, with the derivative of ReLU as the textbook has it. */
const referenceStep = (
  ws: Matrix[],
  bs: number[][],
  x: Matrix,
  labels: number[],
  s: number[],
  rate: number,
): number => {
  const activations: Matrix[] = [x];
  ws.forEach((w, layer) => {
    const input = activations[layer] ?? [];
    activations.push(
      input.map((row) =>
        (bs[layer] ?? []).map((bias, j) => {
          const z = row.reduce((sum, value, i) => sum + value * at(w, i, j), bias);
          return layer === ws.length - 1 ? z : Math.max(0, z);
        }),
      ),
    );
  });
  const total = s.reduce((sum, value) => sum + value, 0);
  let loss = 0;
  let gradient: Matrix = (activations.at(-1) ?? []).map((logits, n) => {
    const top = Math.max(...logits);
    const exps = logits.map((z) => Math.exp(z - top));
    const norm = exps.reduce((sum, value) => sum + value, 0);
    const share = (s[n] ?? 0) / total;
    loss -= share * Math.log((exps[labels[n] ?? 0] ?? 0) / norm);
    return exps.map((e, j) => share * (e / norm - (j === labels[n] ? 1 : 0)));
  });
  for (let layer = ws.length - 1; layer >= 0; layer -= 1) {
    const w = ws[layer] ?? [];
    const input = activations[layer] ?? [];
    const back = input.map((row, n) =>
      row.map((value, i) =>
        value > 0 ? (w[i] ?? []).reduce((sum, weight, j) => sum + weight * at(gradient, n, j), 0) : 0,
      ),
    );
    w.forEach((row, i) => {
      row.forEach((weight, j) => {
        row[j] = weight - rate * input.reduce((sum, sample, n) => sum + (sample[i] ?? 0) * at(gradient, n, j), 0);
      });
    });
    const b = bs[layer] ?? [];
    b.forEach((bias, j) => {
      b[j] = bias - rate * gradient.reduce((sum, row) => sum + (row[j] ?? 0), 0);
    });
    gradient = back;
  }
  return loss;
};

/** One step of multinomial logistic regression over the mean cross entropy, sample by sample in float64. */
const softmaxRegressionStep = (
  head: { w: number[]; b: number[] },
  x: Float32Array,
  labels: number[],
  rate: number,
): void => {
  const classes = head.b.length;
  const features = head.w.length / classes;
  const before = { w: [...head.w], b: [...head.b] };
  labels.forEach((label, n) => {
    const logits = before.b.map((bias, c) => {
      let z = bias;
      for (let f = 0; f < features; f += 1) z += (x[n * features + f] ?? 0) * (before.w[f * classes + c] ?? 0);
      return z;
    });
    const sum = logits.reduce((total, z) => total + Math.exp(z), 0);
    logits.forEach((z, c) => {
      const slope = (rate / labels.length) * (Math.exp(z) / sum - (c === label ? 1 : 0));
      head.b[c] = (head.b[c] ?? 0) - slope;
      for (let f = 0; f < features; f += 1) {
        head.w[f * classes + c] = (head.w[f * classes + c] ?? 0) - slope * (x[n * features + f] ?? 0);
      }
    });
  });
};

describe('buildMlpTrainingStep', () => {
  it.each([[[6, 4]], [[6, 5, 4]], [[6, 7, 5, 4]]])('agrees with float64 after 100 steps, sizes %j', async (sizes) => {
    const random = generator(11);
    const { model, parameters } = buildMlpTrainingStep(sizes);
    const session = await InferenceSession.create(model);
    let state: Record<string, Tensor> = Object.fromEntries(
      parameters.map(({ name, shape }) => {
        const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5);
        return [name, new Tensor('float32', values, shape)];
      }),
    );
    const numbers = (name: string): number[] => Array.from((state[name] as Tensor).data as Float32Array);
    const rows = (name: string, width: number): Matrix => {
      const flat = numbers(name);
      return Array.from({ length: flat.length / width }, (_, row) => flat.slice(row * width, (row + 1) * width));
    };
    const ws = sizes.slice(1).map((width, layer) => rows(`w${layer + 1}`, width));
    const bs = sizes.slice(1).map((_, layer) => numbers(`b${layer + 1}`));
    const batch = 8;
    for (let step = 0; step < 100; step += 1) {
      const x: Matrix = Array.from({ length: batch }, () =>
        Array.from({ length: 6 }, () => Math.fround(random() * 2 - 1)),
      );
      const labels = Array.from({ length: batch }, () => Math.floor(random() * 4));
      const weights = Array.from({ length: batch }, () => Math.fround(0.5 + random()));
      const answer = await session.run({
        ...state,
        features: new Tensor('float32', Float32Array.from(x.flat()), [batch, 6]),
        labels: new Tensor('int64', BigInt64Array.from(labels.map(BigInt)), [batch]),
        sample_weights: new Tensor('float32', Float32Array.from(weights), [batch]),
        learning_rate: new Tensor('float32', Float32Array.from([Math.fround(0.1)]), []),
      });
      const expected = referenceStep(ws, bs, x, labels, weights, Math.fround(0.1));
      expect((answer.loss as Tensor).data[0]).toBeCloseTo(expected, 4);
      state = Object.fromEntries(parameters.map(({ name }) => [name, answer[`${name}_next`] as Tensor]));
    }
    const difference = (actual: number[], expected: number[]) =>
      Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
    sizes.slice(1).forEach((_, layer) => {
      expect(difference(numbers(`w${layer + 1}`), (ws[layer] ?? []).flat())).toBeLessThan(1e-5);
      expect(difference(numbers(`b${layer + 1}`), bs[layer] ?? [])).toBeLessThan(1e-5);
    });
    await session.release();
  });

  it('trains a head alone as softmax regression in float64 does, to less than 1e-6 after 100 steps', async () => {
    const [features, classes, batch, rate] = [64, 10, 32, Math.fround(0.05)];
    const random = generator(5);
    const floats = (length: number, scale: number) => Float32Array.from({ length }, () => (2 * random() - 1) * scale);
    const session = await InferenceSession.create(buildMlpTrainingStep([features, classes]).model);
    let w = floats(features * classes, 0.1);
    let b = floats(classes, 0.1);
    const exact = { w: Array.from(w), b: Array.from(b) };
    for (let step = 0; step < 100; step += 1) {
      const x = floats(batch * features, 1);
      const labels = Array.from({ length: batch }, () => Math.floor(random() * classes));
      const answer = await session.run({
        w1: new Tensor('float32', w, [features, classes]),
        b1: new Tensor('float32', b, [classes]),
        features: new Tensor('float32', x, [batch, features]),
        labels: new Tensor('int64', BigInt64Array.from(labels.map(BigInt)), [batch]),
        sample_weights: new Tensor('float32', new Float32Array(batch).fill(1), [batch]),
        learning_rate: new Tensor('float32', Float32Array.of(rate), []),
      });
      w = answer.w1_next?.data as Float32Array<ArrayBuffer>;
      b = answer.b1_next?.data as Float32Array<ArrayBuffer>;
      softmaxRegressionStep(exact, x, labels, rate);
    }
    const furthest = (actual: Float32Array, expected: number[]) =>
      actual.reduce((most, value, index) => Math.max(most, Math.abs(value - (expected[index] ?? Number.NaN))), 0);
    expect(furthest(w, exact.w)).toBeLessThan(1e-6);
    expect(furthest(b, exact.b)).toBeLessThan(1e-6);
    await session.release();
  });

  it('wants an input and an output', () => {
    expect(() => buildMlpTrainingStep([784])).toThrow(/at least an input and an output size/);
  });
});
