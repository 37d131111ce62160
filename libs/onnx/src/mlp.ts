import { GraphBuilder } from './graph-builder.ts';

/** One fully connected layer: `y = x · w + b`. */
export interface DenseLayer {
  /** `inputs × outputs`, row by row. */
  readonly w: Float32Array;
  /** One per output. */
  readonly b: Float32Array;
}

/** @throws RangeError when a layer's numbers do not fit the sizes */
const checkLayers = (sizes: readonly number[], layers: readonly DenseLayer[]): void => {
  if (sizes.length < 2 || layers.length !== sizes.length - 1) {
    throw new RangeError(
      `expected ${Math.max(1, sizes.length - 1)} layers for sizes ${sizes.join('-')}, got ${layers.length}`,
    );
  }
  layers.forEach(({ w, b }, index) => {
    const [inputs = 0, outputs = 0] = sizes.slice(index, index + 2);
    if (w.length !== inputs * outputs || b.length !== outputs) {
      throw new RangeError(
        `expected ${inputs}×${outputs} weights and ${outputs} biases in layer ${index + 1}, got ${w.length} and ${b.length}`,
      );
    }
  });
};

/** Adds fully connected layers with ReLU between them to a graph. @returns the name of the last one's output, `logits` */
export const addDenseLayers = (
  graph: GraphBuilder,
  input: string,
  sizes: readonly number[],
  layers: readonly DenseLayer[],
): string => {
  checkLayers(sizes, layers);
  let last = input;
  layers.forEach(({ w, b }, index) => {
    const [inputs = 0, outputs = 0] = sizes.slice(index, index + 2);
    const isLast = index === layers.length - 1;
    const weights = graph.floats(`w${index + 1}`, [inputs, outputs], w);
    const bias = graph.floats(`b${index + 1}`, [outputs], b);
    last = graph.node('Gemm', [last, weights, bias], isLast ? 'logits' : `z${index + 1}`);
    if (!isLast) last = graph.node('Relu', [last], `a${index + 1}`);
  });
  return last;
};

/**
 * A multilayer perceptron as an ONNX file: input `input` [N, sizes[0]], output `logits` [N, sizes.at(-1)], both
 * float32, N free.
 * @param sizes of the input, of each hidden layer, and of the output
 * @throws RangeError when the layers do not fit the sizes
 */
export const buildMlp = (sizes: readonly number[], layers: readonly DenseLayer[]): Uint8Array => {
  const graph = new GraphBuilder('mlp');
  graph.input('input', 'float32', ['N', sizes[0] ?? 0]);
  addDenseLayers(graph, 'input', sizes, layers);
  graph.output('logits', 'float32', ['N', sizes.at(-1) ?? 0]);
  return graph.build();
};
