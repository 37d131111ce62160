import { createHash } from 'node:crypto';
import { buildMlp, readModel, toFloat16Weights, withHead } from '@aviary/onnx';
import type { PrepareTraining, TrainableModel } from '@aviary/release';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { prepareTraining } from './prepare-training.ts';
import { readTrainableHead } from './trainable-head.ts';

const SIZES = [4, 3, 2] as const;
const numbers = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, index) => Math.sin(seed + index) / 2);
const HEAD = { w: numbers(6, 3), b: numbers(2, 4) };
const file = Buffer.from(buildMlp(SIZES, [{ w: numbers(12, 1), b: numbers(3, 2) }, HEAD]));
const unlike = Buffer.from(buildMlp(SIZES, [{ w: numbers(12, 9), b: numbers(3, 2) }, HEAD]));

const variant = (precision: 'fp32' | 'fp16' | 'int8' = 'fp32') => ({
  id: `onnx-${precision}`,
  runtime: 'onnxruntime' as const,
  format: 'onnx' as const,
  precision,
  file: 'model.onnx',
});

const prepare = async (bytes: Buffer, change: Partial<Parameters<PrepareTraining>[0]> = {}): Promise<TrainableModel> =>
  (await prepareTraining({ variant: variant(), bytes, labels: ['0', '1'], head: undefined, ...change })) ??
  expect.unreachable();

const littleEndian = (...parts: Float32Array[]): Buffer => {
  const bytes = Buffer.alloc(4 * parts.reduce((sum, { length }) => sum + length, 0));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  parts.flatMap((part) => [...part]).forEach((value, index) => void view.setFloat32(4 * index, value, true));
  return bytes;
};

describe('prepareTraining', () => {
  it('gives a model that answers as before, and its features beside the answer', async () => {
    const { model, training } = await prepare(file);
    const [before, after] = await Promise.all([InferenceSession.create(file), InferenceSession.create(model)]);
    const input = new Tensor('float32', numbers(4, 7), [1, 4]);
    const answer = await after.run({ input });
    expect(after.outputNames).toEqual(['logits', training.featuresOutput]);
    expect(answer.logits?.data).toEqual((await before.run({ input })).logits?.data);
    expect(answer[training.featuresOutput]?.dims).toEqual([1, 3]);
  });

  it('gives a step that takes what the model gives', async () => {
    const { step, training } = await prepare(file);
    const session = await InferenceSession.create(step);
    const { features, classes } = training;
    const { loss, b1_next } = await session.run({
      features: new Tensor('float32', numbers(2 * features, 1), [2, features]),
      labels: new Tensor('int64', BigInt64Array.of(0n, 1n), [2]),
      sample_weights: new Tensor('float32', Float32Array.of(1, 1), [2]),
      learning_rate: new Tensor('float32', Float32Array.of(0.1), []),
      w1: new Tensor('float32', HEAD.w, [features, classes]),
      b1: new Tensor('float32', HEAD.b, [classes]),
    });
    expect(Number(loss?.data[0])).toBeGreaterThan(0);
    expect(b1_next?.data).not.toEqual(HEAD.b);
  });

  it('names the head by its values, and the backbone by everything else', async () => {
    const { training } = await prepare(file);
    expect(training.base).toBe(createHash('sha256').update(littleEndian(HEAD.w, HEAD.b)).digest('hex'));
    const { served, head } = readTrainableHead(file);
    const trained = await prepare(Buffer.from(withHead(readModel(file), head, numbers(8, 5))));
    expect(trained.training.backbone).toBe(training.backbone);
    expect(trained.training.base).not.toBe(training.base);
    expect((await prepare(unlike)).training).toMatchObject({ base: training.base });
    expect((await prepare(unlike)).training.backbone).not.toBe(training.backbone);
    expect(served.graph.length).toBe(readModel(file).graph.length + 1);
  });

  it('gives half precision a head and a backbone of its own', async () => {
    const [whole, half] = [await prepare(file), await prepare(Buffer.from(toFloat16Weights(file)))];
    expect(half.training).toMatchObject({ features: 3, classes: 2 });
    expect(half.training.base).not.toBe(whole.training.base);
    expect(half.training.backbone).not.toBe(whole.training.backbone);
  });

  it('passes over a quantised variant without a head, and refuses any other', async () => {
    const request = { bytes: file, labels: ['0', '1'], head: 'nowhere' };
    expect(await prepareTraining({ ...request, variant: variant('int8') })).toBeUndefined();
    await expect(prepare(file, { head: 'nowhere' })).rejects.toThrow('Expected a node "nowhere"');
  });
});
