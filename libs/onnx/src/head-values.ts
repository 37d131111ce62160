import { ELEMENT, nodeField, valueInfoField } from './graph-builder.ts';
import type { Head } from './head.ts';
import { GRAPH, type OnnxModel, readModel, tensorName, VALUE_INFO, withGraph, writeModel } from './model.ts';
import { overwriteValues, readValues, type TensorValues, tensorValues } from './tensor-values.ts';
import { allBytesOf, readFields, textOf } from './wire.ts';

const valuesOf = (model: OnnxModel, name: string): TensorValues => {
  const tensor = allBytesOf(model.graph, GRAPH.initializer)
    .map(readFields)
    .find((fields) => tensorName(fields) === name);
  if (tensor === undefined) throw new RangeError(`expected an initialiser "${name}" in the model, found none`);
  const values = tensorValues(tensor);
  if (typeof values === 'string') throw new RangeError(`the values of "${name}" ${values}`);
  return values;
};

type Place = Pick<Head, 'weights' | 'bias' | 'features' | 'classes' | 'transposed'>;

/** Where a weight of the tensor stands in the head: row by row `[features × classes]`. */
const headIndex = ({ features, classes, transposed }: Place, index: number): number =>
  transposed ? (index % features) * classes + Math.floor(index / features) : index;

/**
 * The head's values: weights `[features × classes]` row by row, then `classes` biases, in 32 bits whatever the file has.
 * @throws RangeError when the model is not the one in which the head was found
 */
export const readHead = (model: OnnxModel, head: Place): Float32Array => {
  const values = new Float32Array(headLength(head));
  readValues(valuesOf(model, head.weights)).forEach((value, index) => {
    values[headIndex(head, index)] = value;
  });
  values.set(readValues(valuesOf(model, head.bias)), head.features * head.classes);
  return values;
};

/** How many values a head has. */
export const headLength = ({ features, classes }: Pick<Head, 'features' | 'classes'>): number =>
  (features + 1) * classes;

/**
 * The file with another head, every other byte as it was. 16-bit values are rounded to the nearest.
 * @param values as `readHead` gives them
 * @throws RangeError when there are too few or too many
 */
export const withHead = (model: OnnxModel, head: Place, values: Float32Array): Uint8Array => {
  if (values.length !== headLength(head)) {
    throw new RangeError(
      `expected ${headLength(head)} values for ${head.features} features and ${head.classes} classes, got ${values.length}`,
    );
  }
  // Written over in a copy of the file, so that not even an unusual spelling of the rest can change.
  const bytes = writeModel(model);
  const copy = readModel(bytes);
  const biases = head.features * head.classes;
  overwriteValues(valuesOf(copy, head.weights), (index) => values[headIndex(head, index)] ?? 0);
  overwriteValues(valuesOf(copy, head.bias), (index) => values[biases + index] ?? 0);
  return bytes;
};

/** The file with the head's values zero: the same for every head on one backbone, so its digest names the backbone. */
export const backboneBytes = (model: OnnxModel, head: Place): Uint8Array =>
  withHead(model, head, new Float32Array(headLength(head)));

/**
 * The model with the head's input as a further output `head.featuresOutput`, `[N, features]` in 32-bit floats; the same
 * model when it has it already.
 */
export const withFeaturesOutput = (model: OnnxModel, head: Head): OnnxModel => {
  const outputs = allBytesOf(model.graph, GRAPH.output).map((value) => textOf(readFields(value), VALUE_INFO.name));
  if (outputs.includes(head.featuresOutput)) return model;
  const output = valueInfoField(GRAPH.output, head.featuresOutput, 'float32', ['', head.features]);
  const widened =
    head.featuresType === 'float16'
      ? [nodeField('Cast', [head.featuresInput], [head.featuresOutput], { to: ELEMENT.float32 })]
      : [];
  return withGraph(model, [...model.graph, ...widened, output]);
};
