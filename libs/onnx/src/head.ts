import { ELEMENT } from './graph-builder.ts';
import { floatAttribute, GraphIndex, type GraphNode, integerAttribute, rankOf } from './graph-index.ts';
import { type OnnxModel, TENSOR } from './model.ts';
import { tensorValues } from './tensor-values.ts';
import { integersOf } from './wire.ts';

/** A classifier's last fully connected layer: `logits = features · weights + bias`. */
export interface Head {
  /** Name of the node that gives the logits, or of its output when it has none. */
  readonly node: string;
  /** The value that goes into the head: `[N, features]`. */
  readonly featuresInput: string;
  /** What `withFeaturesOutput` calls it as an output of the model, in 32-bit floats. */
  readonly featuresOutput: string;
  readonly featuresType: 'float32' | 'float16';
  /** Names of the initialisers that hold the values. */
  readonly weights: string;
  readonly bias: string;
  readonly features: number;
  readonly classes: number;
  /** The weights lie as `[classes, features]`. */
  readonly transposed: boolean;
}

/** The model has no last fully connected layer that can be trained; says what is there instead. */
export class HeadNotFoundError extends Error {
  readonly code = 'head-not-found';
}

/** Operators between the head and the output that leave the order of classes as it is. */
const PASSED_THROUGH: ReadonlySet<string> = new Set([
  'Softmax',
  'LogSoftmax',
  'Identity',
  'Flatten',
  'Reshape',
  'Cast',
]);

/** Why a layer cannot be trained, in words. */
type Problem = string;

interface Parameter {
  readonly tensor: string;
  readonly dims: readonly number[];
  /** Of the value as the layer sees it, after a Cast. */
  readonly type: number;
}

const shown = (node: GraphNode): string => `${node.operator} "${node.label}"`;

/** The initialiser behind an input of the layer, right there or through a Cast. */
const findParameter = (index: GraphIndex, name: string, what: string): Parameter | Problem => {
  const maker = index.producer(name);
  const cast = maker?.operator === 'Cast' ? maker : undefined;
  const tensor = cast?.inputs[0] ?? name;
  const fields = index.initializer(tensor);
  if (fields === undefined) {
    const source = maker === undefined ? `are an input of the model ("${name}")` : `are computed by ${shown(maker)}`;
    return `its ${what} ${source}; they have to be values of the file`;
  }
  if (index.useCount(tensor) > 1 || index.useCount(name) > 1) {
    return `its ${what} "${tensor}" are used elsewhere too, so that training would change more than the head`;
  }
  const values = tensorValues(fields);
  if (typeof values === 'string') return `its ${what} "${tensor}" ${values}`;
  const type = cast === undefined ? ELEMENT[values.type] : integerAttribute(cast, 'to', 0);
  return { tensor, dims: integersOf(fields, TENSOR.dims).map(Number), type };
};

/** The two nodes' inputs of `features · weights + bias`, whichever operators spell it. */
const partsOf = (
  index: GraphIndex,
  node: GraphNode,
): { features: string; weights: string; bias: string; transposed: boolean } | Problem => {
  const [first = '', second = '', third = ''] = node.inputs;
  if (node.operator === 'Gemm') {
    const alpha = floatAttribute(node, 'alpha', 1);
    const beta = floatAttribute(node, 'beta', 1);
    if (alpha !== 1 || beta !== 1) return `expected alpha and beta 1, found ${alpha} and ${beta}`;
    if (integerAttribute(node, 'transA', 0) !== 0) return 'its input is transposed (transA)';
    if (third === '') return 'it has no bias; export it with one, zeros will do';
    const transposed = integerAttribute(node, 'transB', 0) !== 0;
    return { features: first, weights: second, bias: third, transposed };
  }
  if (node.operator === 'MatMul') return 'it has no bias: no Add follows it; export it with one, zeros will do';
  if (node.operator === 'Add') {
    for (const [product, bias] of [
      [first, second],
      [second, first],
    ] as const) {
      const maker = index.producer(product);
      if (maker?.operator !== 'MatMul') continue;
      if (index.useCount(product) > 1) return 'what it computes before its bias is used elsewhere too';
      const [features = '', weights = ''] = maker.inputs;
      return { features, weights, bias, transposed: false };
    }
  }
  return 'it is no Gemm, and no MatMul with an Add';
};

/** Operators that keep every number of a picture. */
const KEEPS_ALL: ReadonlySet<string> = new Set(['Identity', 'Flatten', 'Reshape', 'Cast', 'Squeeze', 'Unsqueeze']);

/** Whether a value is the model's input itself, in another form at most. */
const isModelInput = (index: GraphIndex, name: string): boolean => {
  const maker = index.producer(name);
  if (maker === undefined) return true;
  return KEEPS_ALL.has(maker.operator) && isModelInput(index, maker.inputs[0] ?? '');
};

const asHead = (model: OnnxModel, index: GraphIndex, node: GraphNode): Head | Problem => {
  const parts = partsOf(index, node);
  if (typeof parts === 'string') return parts;
  if (isModelInput(index, parts.features)) {
    return 'its input is the picture itself, which must not be kept or leave the device; there has to be a layer before it';
  }
  const weights = findParameter(index, parts.weights, 'weights');
  if (typeof weights === 'string') return weights;
  const bias = findParameter(index, parts.bias, 'biases');
  if (typeof bias === 'string') return bias;
  const [rows = 0, columns = 0] = weights.dims;
  const [features, classes] = parts.transposed ? [columns, rows] : [rows, columns];
  const biases = bias.dims.reduce((product, size) => product * size, 1);
  if (weights.dims.length !== 2 || features < 1 || classes < 2) {
    return `expected weights [features, classes] with two classes or more, found [${weights.dims.join(', ')}]`;
  }
  if (bias.dims.at(-1) !== classes || biases !== classes) {
    return `expected a bias for each of ${classes} classes, found [${bias.dims.join(', ')}]`;
  }
  const rank = rankOf(model, parts.features);
  if (rank !== undefined && rank !== 2) return `expected its input to be [N, features], found ${rank} dimensions`;
  const isHalf = weights.type === ELEMENT.float16;
  if (!isHalf && weights.type !== ELEMENT.float32) return 'it does not compute in 32-bit or 16-bit floats';
  return {
    node: node.label,
    featuresInput: parts.features,
    featuresOutput: isHalf ? `${parts.features}_float32` : parts.features,
    featuresType: isHalf ? 'float16' : 'float32',
    weights: weights.tensor,
    bias: bias.tensor,
    features,
    classes,
    transposed: parts.transposed,
  };
};

/** What a person can do about it. */
const advice = (model: OnnxModel, index: GraphIndex): string => {
  const layers = index.nodes.filter((node) => typeof asHead(model, index, node) !== 'string');
  if (layers.length === 0)
    return 'It has no fully connected layer that can be trained: take training out of model.yaml.';
  const names = layers.slice(-5).map(({ label }) => label);
  return `Name the layer in model.yaml, training: { head: NODE }; this model has ${names.join(', ')}.`;
};

const namedNode = (index: GraphIndex, name: string): GraphNode | undefined => {
  const node = index.nodes.find(({ label, outputs }) => label === name || outputs.includes(name));
  // The layer is the sum; people name its product, which carries the weights, just as well.
  if (node?.operator !== 'MatMul') return node;
  const [product = ''] = node.outputs;
  return index.nodes.find(({ operator, inputs }) => operator === 'Add' && inputs.includes(product)) ?? node;
};

const lastNode = (index: GraphIndex): GraphNode | undefined => {
  let node = index.producer(index.outputs[0] ?? '');
  while (node !== undefined && PASSED_THROUGH.has(node.operator)) node = index.producer(node.inputs[0] ?? '');
  return node;
};

/**
 * The head of a classifier: a Gemm, or a MatMul and an Add, with weights and biases as initialisers of their own, whose
 * output reaches the model's first output directly or through Softmax, LogSoftmax, Identity, Flatten, Reshape and Cast.
 * @param node the layer's name, or its output's, for a model that does something else at its end
 * @throws HeadNotFoundError
 */
export const findHead = (model: OnnxModel, node?: string): Head => {
  const index = new GraphIndex(model);
  const output = index.outputs[0] ?? '';
  const found = node === undefined ? lastNode(index) : namedNode(index, node);
  if (found === undefined) {
    const words =
      node === undefined
        ? `Expected a fully connected layer before the output "${output}", found an input of the model.`
        : `Expected a node "${node}" in the model, found none of that name.`;
    throw new HeadNotFoundError(`${words} ${advice(model, index)}`);
  }
  const head = asHead(model, index, found);
  if (typeof head !== 'string') return head;
  const place = node === undefined ? ` before the output "${output}"` : '';
  throw new HeadNotFoundError(
    `Expected a fully connected layer that can be trained${place}, found ${shown(found)}: ${head}. ${advice(model, index)}`,
  );
};
