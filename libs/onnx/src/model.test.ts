import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { toFloat16Weights } from './float16-weights.ts';
import { fromHalf, toHalf } from './half.ts';
import { buildMlp } from './mlp.ts';
import { describeModel, NotAnOnnxModelError, readModel, withGraph, writeModel } from './model.ts';
import { bytesField, readFields, writeFields } from './wire.ts';

const sizes = [64, 48, 3];
const wave = (length: number, step: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * step) / 4);
const model = buildMlp(sizes, [
  { w: wave(64 * 48, 0.37), b: wave(48, 1.1) },
  { w: wave(48 * 3, 0.71), b: wave(3, 0.3) },
]);

const logits = async (bytes: Uint8Array): Promise<number[]> => {
  const session = await InferenceSession.create(bytes);
  const answer = await session.run({ input: new Tensor('float32', wave(64, 0.2), [1, 64]) });
  await session.release();
  return Array.from(answer.logits?.data as Float32Array);
};

describe('an ONNX file', () => {
  it('is written back byte for byte, with fields that nobody here knows', () => {
    const withUnknown = writeFields([...readFields(model), bytesField(1999, Uint8Array.of(1, 2, 3))]);
    expect(writeModel(readModel(withUnknown))).toEqual(withUnknown);
    const read = readModel(withUnknown);
    expect(writeModel(withGraph(read, read.graph))).toEqual(withUnknown);
  });

  it('says what it is', () => {
    expect(describeModel(readModel(model))).toMatchObject({
      opset: 18,
      producer: 'aviary',
      inputs: [{ name: 'input', elementType: 'float32', shape: ['N', 64] }],
      outputs: [{ name: 'logits', elementType: 'float32', shape: ['N', 3] }],
      nodes: 3,
      initializers: 4,
    });
  });

  it.each([
    [new Uint8Array(), /empty file/],
    [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10), /PNG/],
    [Uint8Array.from('PK\u0003\u0004abcdef', (c) => c.charCodeAt(0)), /ZIP/],
    [Uint8Array.from('version https://git-lfs.github.com/spec/v1', (c) => c.charCodeAt(0)), /Git LFS pointer/],
    [Uint8Array.from('hello, I am a text', (c) => c.charCodeAt(0)), /text that begins with "hello/],
    [model.subarray(0, model.length / 2), /found/],
  ])('names what is none', (bytes, words) => {
    expect(() => readModel(bytes)).toThrow(NotAnOnnxModelError);
    expect(() => readModel(bytes)).toThrow(words);
  });

  it('computes what its layers say', async () => {
    const hidden = Array.from({ length: 48 }, (_, j) =>
      Math.max(
        0,
        wave(64, 0.2).reduce((sum, x, i) => sum + x * (wave(64 * 48, 0.37)[i * 48 + j] ?? 0), wave(48, 1.1)[j] ?? 0),
      ),
    );
    const expected = Array.from({ length: 3 }, (_, j) =>
      hidden.reduce((sum, x, i) => sum + x * (wave(48 * 3, 0.71)[i * 3 + j] ?? 0), wave(3, 0.3)[j] ?? 0),
    );
    (await logits(model)).forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 4);
    });
  });

  it('refuses layers that do not fit', () => {
    expect(() => buildMlp([4, 2], [{ w: new Float32Array(7), b: new Float32Array(2) }])).toThrow(
      /expected 4×2 weights/,
    );
  });
});

describe('half precision', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65520, 0x7c00],
    [Number.POSITIVE_INFINITY, 0x7c00],
    [2 ** -24, 0x0001],
    [2 ** -14, 0x0400],
    [2 ** -14 - 2 ** -24, 0x03ff],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1e-9, 0x0000],
  ])('rounds %d to the nearest', (value, bits) => {
    expect(toHalf(value)).toBe(bits);
  });

  it('widens and rounds each of its numbers back to itself', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      if (Number.isNaN(fromHalf(bits))) expect(bits & 0x7fff).toBeGreaterThan(0x7c00);
      else if (toHalf(fromHalf(bits)) !== bits) expect(toHalf(fromHalf(bits)), `${fromHalf(bits)}`).toBe(bits);
    }
    expect([0x3c00, 0x0001, 0x7bff, 0xfc00].map(fromHalf)).toEqual([1, 2 ** -24, 65504, Number.NEGATIVE_INFINITY]);
  });

  it('keeps a NaN one', () => {
    expect(toHalf(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });

  it('halves the file and hardly moves the answers', async () => {
    const half = toFloat16Weights(model);
    expect(half.length).toBeLessThan(0.6 * model.length);
    const [exact, rounded] = [await logits(model), await logits(half)];
    rounded.forEach((value, index) => {
      expect(Math.abs(value - (exact[index] ?? Number.NaN))).toBeLessThan(5e-3);
    });
  });
});
