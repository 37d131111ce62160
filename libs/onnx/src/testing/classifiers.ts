import { GraphBuilder } from '../graph-builder.ts';
import { GRAPH, type OnnxModel, readModel, TENSOR, tensorName, withGraph, writeModel } from '../model.ts';
import { bytesOf, type Field, messageField, readFields } from '../wire.ts';

export const FEATURES = 5;
export const CLASSES = 3;
/** Numbers that are none in particular, the same each time. */
export const numbers = (length: number, step: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(1 + i * step) / 2);
/** Of the head: row by row, and its biases. */
export const weights = numbers(FEATURES * CLASSES, 0.7);
export const biases = numbers(CLASSES, 0.3);

/** A small classifier over `input` [N, 4]: one hidden layer, then whatever the test puts as its end. */
export const classifier = (end: (graph: GraphBuilder) => string): OnnxModel => {
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

/** The usual end: one Gemm with `weights` and `biases`. */
export const gemm = (graph: GraphBuilder): string =>
  graph.node(
    'Gemm',
    ['a', graph.floats('w', [FEATURES, CLASSES], weights), graph.floats('b', [CLASSES], biases)],
    'logits',
  );

/** The same in two nodes. */
export const matMulAdd = (graph: GraphBuilder): string => {
  graph.node('MatMul', ['a', graph.floats('w', [FEATURES, CLASSES], weights)], 'product');
  return graph.node('Add', [graph.floats('b', [CLASSES], biases), 'product'], 'logits');
};

/** The same model with the values of one tensor written in another way, by its other fields and its raw values. */
export const respell = (
  model: OnnxModel,
  name: string,
  spelling: (tensor: readonly Field[], raw: Uint8Array) => Field[],
): OnnxModel =>
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

export const plain = classifier(gemm);
