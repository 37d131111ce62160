import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { toFloat16Weights } from './float16-weights.ts';
import { GraphBuilder, nodeField } from './graph-builder.ts';
import { fromHalf, toHalf } from './half.ts';
import { findHead, type Head, HeadNotFoundError } from './head.ts';
import { backboneBytes, readHead, withFeaturesOutput, withHead } from './head-values.ts';
import { buildMlp } from './mlp.ts';
import { describeModel, GRAPH, type OnnxModel, readModel, TENSOR, tensorName, withGraph, writeModel } from './model.ts';
import { bytesField, bytesOf, type Field, messageField, readFields, varintField } from './wire.ts';

const FEATURES = 5;
const CLASSES = 3;
const numbers = (length: number, step: number) => Float32Array.from({ length }, (_, i) => Math.sin(1 + i * step) / 2);
const weights = numbers(FEATURES * CLASSES, 0.7);
const biases = numbers(CLASSES, 0.3);
const headValues = Float32Array.of(...weights, ...biases);
const turned = Float32Array.from(
  { length: weights.length },
  (_, i) => weights[(i % FEATURES) * CLASSES + Math.floor(i / FEATURES)] ?? 0,
);

/** A small classifier over `input` [N, 4]: one hidden layer, then whatever the test puts as its end. */
const classifier = (end: (graph: GraphBuilder) => string): OnnxModel => {
  const graph = new GraphBuilder('classifier');
  graph.input('input', 'float32', ['N', 4]);
  graph.node(
    'Gemm',
    [
      'input',
      graph.floats('w1', [4, FEATURES], numbers(4 * FEATURES, 0.4)),
      graph.floats('b1', [FEATURES], numbers(FEATURES, 0.2)),
    ],
    'z',
  );
  graph.node('Relu', ['z'], 'a');
  graph.output(end(graph), 'float32', ['N', CLASSES]);
  return readModel(graph.build());
};

const gemm = (graph: GraphBuilder, output = 'logits') =>
  graph.node(
    'Gemm',
    ['a', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [CLASSES], biases)],
    output,
  );
const transposedGemm = (graph: GraphBuilder) =>
  graph.node(
    'Gemm',
    ['a', graph.floats('w', [CLASSES, FEATURES], turned), graph.floats('b', [1, CLASSES], biases)],
    'logits',
    { transB: 1 },
  );
const matMulAdd = (graph: GraphBuilder) => {
  graph.node('MatMul', ['a', graph.floats('w', [FEATURES, CLASSES], weights)], 'product');
  return graph.node('Add', [graph.floats('b', [CLASSES], biases), 'product'], 'logits');
};

const respell = (model: OnnxModel, name: string, spelling: (tensor: readonly Field[], raw: Uint8Array) => Field[]) =>
  readModel(
    writeModel(
      withGraph(
        model,
        model.graph.map((field) => {
          if (field.number !== GRAPH.initializer) return field;
          const tensor = readFields(field.value as Uint8Array);
          if (tensorName(tensor) !== name) return field;
          const rest = tensor.filter(({ number }) => number !== TENSOR.rawData);
          return messageField(GRAPH.initializer, spelling(rest, bytesOf(tensor, TENSOR.rawData) ?? new Uint8Array()));
        }),
      ),
    ),
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

const plain = classifier(gemm);
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

describe('findHead', () => {
  it('goes through what leaves the classes in their order', () => {
    const model = classifier((graph) => {
      gemm(graph);
      graph.node('Identity', ['logits'], 'same');
      graph.node('Softmax', ['same'], 'probabilities', { axis: 1 });
      return graph.node('Flatten', ['probabilities'], 'flat');
    });
    expect(findHead(model).node).toBe('Gemm:logits');
  });

  it.each(['Gemm:logits', 'logits'])('takes the layer by the name %s', (name) => {
    const model = classifier((graph) => graph.node('Sigmoid', [gemm(graph)], 'scores'));
    expect(() => findHead(model)).toThrow(HeadNotFoundError);
    expect(() => findHead(model)).toThrow(
      'before the output "scores", found Sigmoid "Sigmoid:scores": it is no Gemm, and no MatMul with an Add. ' +
        'Name the layer in model.yaml, training: { head: NODE }; this model has Gemm:logits.',
    );
    expect(findHead(model, name)).toMatchObject({ node: 'Gemm:logits', featuresInput: 'a', weights: 'w' });
  });

  it('takes the layer by the name of its product', () => {
    expect(findHead(classifier(matMulAdd), 'MatMul:product')).toEqual(findHead(classifier(matMulAdd)));
  });

  it.each([
    ['right there', (graph: GraphBuilder) => graph.node('Identity', ['input'], 'same')],
    [
      'in another form',
      (graph: GraphBuilder) => graph.node('Reshape', ['input', graph.integers('s', [2], [-1, 4])], 'same'),
    ],
  ])('refuses a layer whose features would be the picture itself, %s', (_, before) => {
    const graph = new GraphBuilder('linear');
    graph.input('input', 'float32', ['N', 4]);
    const features = before(graph);
    graph.node('Gemm', [features, graph.floats('w', [4, 2], numbers(8, 1)), graph.floats('b', [2], [1, 2])], 'logits');
    graph.output('logits', 'float32', ['N', 2]);
    expect(() => findHead(readModel(graph.build()))).toThrow(/its input is the picture itself/);
  });

  const refusals: readonly (readonly [string, (graph: GraphBuilder) => string, RegExp])[] = [
    [
      'another operator',
      (graph) => graph.node('Tanh', ['a'], 'y'),
      /found Tanh "Tanh:y".* no fully connected layer that can be trained/,
    ],
    [
      'a MatMul without a bias',
      (graph) => graph.node('MatMul', ['a', graph.floats('w', [FEATURES, CLASSES], weights)], 'y'),
      /no bias: no Add follows it; export it with one/,
    ],
    [
      'a Gemm without a bias',
      (graph) => graph.node('Gemm', ['a', graph.floats('w', [FEATURES, CLASSES], weights)], 'y'),
      /has no bias; export it with one/,
    ],
    [
      'a scaled Gemm',
      (graph) =>
        graph.node(
          'Gemm',
          ['a', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [CLASSES], biases)],
          'y',
          { alpha: { float: 0.5 } },
        ),
      /expected alpha and beta 1, found 0.5 and 1/,
    ],
    [
      'a transposed input',
      (graph) =>
        graph.node(
          'Gemm',
          ['a', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [CLASSES], biases)],
          'y',
          { transA: 1 },
        ),
      /transA/,
    ],
    [
      'one bias for all',
      (graph) =>
        graph.node('Gemm', ['a', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [1], [1])], 'y'),
      /expected a bias for each of 3 classes, found \[1\]/,
    ],
    [
      'one class',
      (graph) =>
        graph.node(
          'Gemm',
          ['a', graph.floats('w', [FEATURES, 1], weights.subarray(0, 5)), graph.floats('b', [1], [1])],
          'y',
        ),
      /two classes or more, found \[5, 1\]/,
    ],
    [
      'computed weights',
      (graph) => {
        graph.node('Neg', [graph.floats('w', [FEATURES, CLASSES], weights)], 'minus');
        return graph.node('Gemm', ['a', 'minus', graph.floats('b', [CLASSES], biases)], 'y');
      },
      /its weights are computed by Neg "Neg:minus"/,
    ],
    [
      'weights from outside',
      (graph) => {
        graph.input('given', 'float32', [FEATURES, CLASSES]);
        return graph.node('Gemm', ['a', 'given', graph.floats('b', [CLASSES], biases)], 'y');
      },
      /its weights are an input of the model \("given"\)/,
    ],
    [
      'weights that work elsewhere too',
      (graph) => {
        graph.node(
          'Gemm',
          ['a', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [CLASSES], biases)],
          'y',
        );
        graph.node('Neg', ['w'], 'minus');
        graph.output('minus', 'float32', [FEATURES, CLASSES]);
        return 'y';
      },
      /its weights "w" are used elsewhere too/,
    ],
    [
      'whole numbers for weights',
      (graph) =>
        graph.node(
          'Gemm',
          ['a', graph.integers('w', [FEATURES, CLASSES], Array(15).fill(1)), graph.floats('b', [CLASSES], biases)],
          'y',
        ),
      /are no 32-bit or 16-bit floats/,
    ],
  ];
  it.each(refusals)('refuses %s, in words', (_, end, words) => {
    const first = classifier(end);
    // The test's end may have declared outputs of its own; the model's first is the one that counts.
    const outputs = first.graph.filter(({ number }) => number === GRAPH.output);
    const model = withGraph(first, [
      ...first.graph.filter(({ number }) => number !== GRAPH.output),
      ...outputs.toReversed(),
    ]);
    expect(() => findHead(model)).toThrow(HeadNotFoundError);
    expect(() => findHead(model)).toThrow(words);
  });

  it('refuses values that lie in another file, and a number of them that does not fit', () => {
    const elsewhere = respell(plain, 'w', (rest) => [...rest, varintField(TENSOR.dataLocation, 1)]);
    expect(() => findHead(elsewhere)).toThrow(/its weights "w" lie in another file; export the model as one/);
    const short = respell(plain, 'w', (rest, raw) => [...rest, bytesField(TENSOR.rawData, raw.subarray(4))]);
    expect(() => findHead(short)).toThrow(/expected 15 values, found 14/);
  });

  it('sees weights that a branch uses too', () => {
    const branch: Field[] = [nodeField('Neg', ['w'], ['minus'])];
    const attribute = messageField(5, [
      bytesField(
        1,
        Uint8Array.from('then_branch', (c) => c.charCodeAt(0)),
      ),
      messageField(6, branch),
    ]);
    const node = messageField(GRAPH.node, [
      ...readFields(nodeField('If', ['a'], ['c']).value as Uint8Array),
      attribute,
    ]);
    expect(() => findHead(withGraph(plain, [...plain.graph, node]))).toThrow(/used elsewhere too/);
  });

  it('says so when there is no node of that name, or no layer at all', () => {
    expect(() => findHead(plain, 'fc')).toThrow(/Expected a node "fc" in the model, found none.* has Gemm:logits\./);
    const graph = new GraphBuilder('none');
    graph.input('input', 'float32', ['N', 4]);
    graph.node('Relu', ['input'], 'y');
    graph.output('y', 'float32', ['N', 4]);
    expect(() => findHead(readModel(graph.build()))).toThrow(
      /no fully connected layer that can be trained: take training out/,
    );
    expect(new HeadNotFoundError('x').code).toBe('head-not-found');
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
