import { describe, expect, it } from 'vitest';
import { GraphBuilder, nodeField } from './graph-builder.ts';
import { findHead, HeadNotFoundError } from './head.ts';
import { GRAPH, readModel, TENSOR, withGraph } from './model.ts';
import {
  biases,
  CLASSES,
  classifier,
  FEATURES,
  gemm,
  matMulAdd,
  numbers,
  plain,
  respell,
  weights,
} from './testing/classifiers.ts';
import { bytesField, type Field, messageField, readFields, varintField } from './wire.ts';

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
