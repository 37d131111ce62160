import { GraphBuilder } from './graph-builder.ts';

export interface TrainingStep {
  /** The ONNX file. */
  readonly model: Uint8Array;
  /** Names of the parameters, `w1, b1, w2, …`; each comes out as `<name>_next`. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/**
 * One step of stochastic gradient descent for a multilayer perceptron, as an ordinary ONNX graph: the runtime that
 * infers on the device also trains there, with no training build of it.
 *
 * Inputs: `features` [B, sizes[0]], `labels` int64 [B], `sample_weights` [B], `learning_rate` [], and every parameter.
 * Outputs: every parameter as `<name>_next`, and `loss` []: the mean cross entropy, weighted by the samples.
 *
 * With `Zᵢ = Aᵢ₋₁Wᵢ + bᵢ`, `Aᵢ = max(0, Zᵢ)`, `P = softmax(Z_L)`, one-hot `Y` and weights `s` of sum `S`:
 * `G_L = (P − Y)·s/S`, `∂Wᵢ = Aᵢ₋₁ᵀGᵢ`, `∂bᵢ = Σ Gᵢ`, `Gᵢ₋₁ = GᵢWᵢᵀ ⊙ sign(Aᵢ₋₁)`: the sign of a ReLU's output is its
 * derivative. `Wᵢ ← Wᵢ − η·∂Wᵢ`.
 * @param sizes of the input, of each hidden layer, and of the output; two sizes give a classifier's head alone
 */
export const buildMlpTrainingStep = (sizes: readonly number[]): TrainingStep => {
  if (sizes.length < 2) throw new RangeError(`expected at least an input and an output size, got ${sizes.length}`);
  const graph = new GraphBuilder('mlp-training-step');
  const depth = sizes.length - 1;
  const classes = sizes.at(-1) ?? 0;
  const parameters: { name: string; shape: number[] }[] = [];
  graph.input('features', 'float32', ['B', sizes[0] ?? 0]);
  graph.input('labels', 'int64', ['B']);
  graph.input('sample_weights', 'float32', ['B']);
  graph.input('learning_rate', 'float32', []);
  for (let layer = 1; layer <= depth; layer += 1) {
    const [inputs = 0, outputs = 0] = sizes.slice(layer - 1, layer + 1);
    parameters.push({ name: `w${layer}`, shape: [inputs, outputs] }, { name: `b${layer}`, shape: [outputs] });
  }
  for (const { name, shape } of parameters) graph.input(name, 'float32', shape);
  graph.floats('one_hot_values', [2], [0, 1]);
  graph.integers('class_count', [1], [classes]);
  graph.integers('rows', [1], [0]);
  graph.integers('columns', [1], [1]);

  const activations = ['features'];
  for (let layer = 1; layer < depth; layer += 1) {
    graph.node('Gemm', [`${activations.at(-1)}`, `w${layer}`, `b${layer}`], `z${layer}`);
    activations.push(graph.node('Relu', [`z${layer}`], `a${layer}`));
  }
  graph.node('Gemm', [`${activations.at(-1)}`, `w${depth}`, `b${depth}`], 'logits');

  graph.node('OneHot', ['labels', 'class_count', 'one_hot_values'], 'targets', { axis: -1 });
  graph.node('ReduceSum', ['sample_weights', 'rows'], 'weight_sum', { keepdims: 0 });
  graph.node('Div', ['sample_weights', 'weight_sum'], 'shares');
  graph.node('Unsqueeze', ['shares', 'columns'], 'share_column');

  graph.node('LogSoftmax', ['logits'], 'log_probabilities', { axis: 1 });
  graph.node('Mul', ['log_probabilities', 'targets'], 'log_likelihoods');
  graph.node('Mul', ['log_likelihoods', 'share_column'], 'weighted_log_likelihoods');
  graph.node('ReduceSum', ['weighted_log_likelihoods'], 'negative_loss', { keepdims: 0 });
  graph.node('Neg', ['negative_loss'], 'loss');

  graph.node('Softmax', ['logits'], 'probabilities', { axis: 1 });
  graph.node('Sub', ['probabilities', 'targets'], 'differences');
  let gradient = graph.node('Mul', ['differences', 'share_column'], `g${depth}`);
  for (let layer = depth; layer >= 1; layer -= 1) {
    const before = activations[layer - 1] ?? 'features';
    graph.node('Gemm', [before, gradient], `dw${layer}`, { transA: 1 });
    graph.node('ReduceSum', [gradient, 'rows'], `db${layer}`, { keepdims: 0 });
    for (const name of [`w${layer}`, `b${layer}`]) {
      graph.node('Mul', [`d${name}`, 'learning_rate'], `${name}_change`);
      graph.node('Sub', [name, `${name}_change`], `${name}_next`);
    }
    if (layer === 1) break;
    graph.node('Gemm', [gradient, `w${layer}`], `back${layer}`, { transB: 1 });
    graph.node('Sign', [before], `slope${layer - 1}`);
    gradient = graph.node('Mul', [`back${layer}`, `slope${layer - 1}`], `g${layer - 1}`);
  }
  for (const { name, shape } of parameters) graph.output(`${name}_next`, 'float32', shape);
  graph.output('loss', 'float32', []);
  return { model: graph.build(), parameters };
};
