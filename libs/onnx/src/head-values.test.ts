import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { toFloat16Weights } from './float16-weights.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { fromHalf, toHalf } from './half.ts';
import { findHead, type Head } from './head.ts';
import { backboneBytes, readHead, withFeaturesOutput, withHead } from './head-values.ts';
import { buildMlp } from './mlp.ts';
import { describeModel, type OnnxModel, readModel, TENSOR, writeModel } from './model.ts';
import {
  biases,
  CLASSES,
  classifier,
  FEATURES,
  matMulAdd,
  numbers,
  plain,
  respell,
  weights,
} from './testing/classifiers.ts';
import { bytesField, type Field, varintField } from './wire.ts';

const headValues = Float32Array.of(...weights, ...biases);

/** The same weights, class by class. */
const turned = Float32Array.from(
  { length: weights.length },
  (_, i) => weights[(i % FEATURES) * CLASSES + Math.floor(i / FEATURES)] ?? 0,
);

const transposedGemm = (graph: GraphBuilder) =>
  graph.node(
    'Gemm',
    ['a', graph.floats('w', [CLASSES, FEATURES], turned), graph.floats('b', [1, CLASSES], biases)],
    'logits',
    { transB: 1 },
  );
const packed = (rest: readonly Field[], raw: Uint8Array) => [...rest, bytesField(TENSOR.floatData, raw)];
const oneByOne = (rest: readonly Field[], raw: Uint8Array): Field[] => [
  ...rest,
  ...Array.from(
    { length: raw.length / 4 },
    (_, i): Field => ({ number: TENSOR.floatData, type: 5, value: raw.slice(4 * i, 4 * i + 4) }),
  ),
];

/** All of it in half precision between two casts, as converters write it. */
const halfModel = (): OnnxModel => {
  const model = classifier((graph) => {
    graph.node('Cast', ['a'], 'a_half', { to: 10 });
    graph.node(
      'Gemm',
      ['a_half', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [CLASSES], biases)],
      'logits_half',
    );
    return graph.node('Cast', ['logits_half'], 'logits', { to: 1 });
  });
  const halved = (rest: readonly Field[], raw: Uint8Array): Field[] => {
    const halves = Uint16Array.from(new Float32Array(raw.slice().buffer), toHalf);
    return [
      ...rest.filter(({ number }) => number !== TENSOR.dataType),
      varintField(TENSOR.dataType, 10),
      bytesField(TENSOR.rawData, new Uint8Array(halves.buffer)),
    ];
  };
  return respell(respell(model, 'w', halved), 'b', halved);
};

const MODELS: readonly (readonly [string, OnnxModel, Partial<Head>])[] = [
  ['a Gemm', plain, { weights: 'w', transposed: false, node: 'Gemm:logits' }],
  ['a Gemm with transB', classifier(transposedGemm), { weights: 'w', transposed: true }],
  ['a MatMul and an Add', classifier(matMulAdd), { weights: 'w', transposed: false, node: 'Add:logits' }],
  ['a Gemm with its values in float_data', respell(plain, 'w', packed), { weights: 'w' }],
  ['a Gemm with its values one by one', respell(respell(plain, 'w', oneByOne), 'b', oneByOne), { weights: 'w' }],
  [
    'weights in half precision behind a Cast',
    readModel(toFloat16Weights(writeModel(plain))),
    { weights: 'w_half', bias: 'b' },
  ],
  [
    'a graph in half precision',
    halfModel(),
    { featuresType: 'float16', featuresInput: 'a_half', featuresOutput: 'a_half_float32' },
  ],
];

const dataOf = (tensor: Tensor | undefined): Float32Array => (tensor?.data ?? new Float32Array()) as Float32Array;

const run = async (model: OnnxModel | Uint8Array, input: Float32Array) => {
  const session = await InferenceSession.create(model instanceof Uint8Array ? model : writeModel(model));
  const answer = await session.run({ input: new Tensor('float32', input, [input.length / 4, 4]) });
  const names = session.outputNames;
  await session.release();
  return { names, answer };
};

describe.each(MODELS)('the head of a model with %s', (_, model, expected) => {
  const isHalf = Object.values(expected).some((value) => String(value).includes('half'));
  const head = findHead(model);

  it('is found', () => {
    expect(head).toMatchObject({ features: FEATURES, classes: CLASSES, bias: 'b', ...expected });
  });

  it('is read row by row, biases last', () => {
    const read = readHead(model, head);
    const half = (value: number) => fromHalf(toHalf(value));
    const isRounded = (index: number) => isHalf && (index < weights.length || head.featuresType === 'float16');
    expect(read).toEqual(headValues.map((value, index) => (isRounded(index) ? half(value) : value)));
  });

  it('is written and read back, and nothing else of the file changes', () => {
    const file = writeModel(model);
    const backbone = backboneBytes(model, head);
    fc.assert(
      fc.property(
        fc.float32Array({
          minLength: headValues.length,
          maxLength: headValues.length,
          min: -6e4,
          max: 6e4,
          noNaN: true,
        }),
        (drawn) => {
          // Whatever file precision rounds to is a fixed point of writing and reading.
          const values = readHead(readModel(withHead(model, head, drawn)), head);
          const written = withHead(model, head, values);
          expect(readHead(readModel(written), head)).toEqual(values);
          expect(written.length).toBe(file.length);
          expect(Buffer.compare(backboneBytes(readModel(written), head), backbone)).toBe(0);
          expect(Buffer.compare(withHead(readModel(written), head, readHead(model, head)), file)).toBe(0);
          // Only bytes that the backbone has as zeros of the head may differ.
          written.forEach((byte, at) => {
            if (byte !== file[at] && backbone[at] !== 0) expect.fail(`byte ${at} changed from ${file[at]} to ${byte}`);
          });
        },
      ),
      { numRuns: 50 },
    );
    expect(Buffer.compare(writeModel(model), file)).toBe(0);
  });

  it('gives its input as a second output, with the answers as they were', async () => {
    const served = withFeaturesOutput(model, head);
    expect(withFeaturesOutput(served, head)).toBe(served);
    expect(findHead(served)).toEqual(head);
    expect(describeModel(served).outputs.at(-1)).toEqual({
      name: head.featuresOutput,
      elementType: 'float32',
      shape: ['?', FEATURES],
    });
    const input = numbers(8, 0.9);
    const [before, after] = [await run(model, input), await run(served, input)];
    expect(after.names).toEqual(['logits', head.featuresOutput]);
    const [answers, answersBefore] = [dataOf(after.answer.logits), dataOf(before.answer.logits)];
    // Of a graph in half precision the runtime joins other casts when one of them is an output.
    const tolerance = head.featuresType === 'float16' ? 1e-3 : 0;
    answers.forEach((value, at) => {
      expect(Math.abs(value - (answersBefore[at] ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
    });
    const features = after.answer[head.featuresOutput];
    expect(features?.dims).toEqual([2, FEATURES]);
    const given = dataOf(features);
    const own = readHead(served, head);
    for (let row = 0; row < 2; row += 1) {
      for (let c = 0; c < CLASSES; c += 1) {
        let logit = own[FEATURES * CLASSES + c] ?? 0;
        for (let f = 0; f < FEATURES; f += 1) logit += (given[row * FEATURES + f] ?? 0) * (own[f * CLASSES + c] ?? 0);
        const answered = answers[row * CLASSES + c];
        expect(answered).toBeCloseTo(logit, head.featuresType === 'float16' ? 2 : 5);
      }
    }
  });

  it('answers with the values that were written', async () => {
    const silent = withHead(
      model,
      head,
      Float32Array.from(headValues, (_v, i) => (i < weights.length ? 0 : i)),
    );
    const { answer } = await run(silent, numbers(4, 0.9));
    expect(Array.from(dataOf(answer.logits))).toEqual([15, 16, 17]);
  });
});

describe('withHead', () => {
  it('refuses another number of values', () => {
    expect(() => withHead(plain, findHead(plain), new Float32Array(17))).toThrow(
      'expected 18 values for 5 features and 3 classes, got 17',
    );
  });

  it('names the backbone alike for every head, and unlike for another backbone', () => {
    const head = findHead(plain);
    const other = readModel(withHead(plain, head, numbers(18, 3)));
    expect(backboneBytes(other, head)).toEqual(backboneBytes(plain, head));
    const mlp = (seed: number) =>
      readModel(
        buildMlp(
          [4, 5, 3],
          [
            { w: numbers(20, seed), b: numbers(5, 1) },
            { w: numbers(15, 1), b: numbers(3, 1) },
          ],
        ),
      );
    expect(backboneBytes(mlp(1), findHead(mlp(1)))).not.toEqual(backboneBytes(mlp(2), findHead(mlp(2))));
  });
});
