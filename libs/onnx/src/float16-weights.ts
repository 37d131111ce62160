import { ELEMENT, nodeField, tensorField } from './graph-builder.ts';
import { toHalf } from './half.ts';
import { GRAPH, type OnnxModel, readModel, TENSOR, tensorName, withGraph, writeModel } from './model.ts';
import { readValues, tensorValues } from './tensor-values.ts';
import { type Field, integersOf, readFields } from './wire.ts';

const converted = (field: Field): readonly [weights: Field, cast: Field] | undefined => {
  const tensor = readFields(field.value as Uint8Array);
  const dims = integersOf(tensor, TENSOR.dims).map(Number);
  const type = Number(integersOf(tensor, TENSOR.dataType).at(-1) ?? 0n);
  if (type !== ELEMENT.float32 || dims.length < 2) return undefined;
  const values = tensorValues(tensor);
  if (typeof values === 'string') return undefined;
  const name = tensorName(tensor);
  const halves = Uint16Array.from(readValues(values), toHalf);
  const weights = tensorField(GRAPH.initializer, `${name}_half`, 'float16', dims, new Uint8Array(halves.buffer));
  return [weights, nodeField('Cast', [`${name}_half`], [name], { to: ELEMENT.float32 })];
};

/**
 * The same model with its matrices stored in half precision and widened where they are used: half the download, and
 * it runs wherever the original does. Vectors, such as biases, stay as they are.
 * @throws NotAnOnnxModelError
 */
export const toFloat16Weights = (bytes: Uint8Array): Uint8Array => {
  const model: OnnxModel = readModel(bytes);
  const casts: Field[] = [];
  const rest = model.graph.map((field) => {
    const pair = field.number === GRAPH.initializer ? converted(field) : undefined;
    if (pair === undefined) return field;
    casts.push(pair[1]);
    return pair[0];
  });
  return writeModel(withGraph(model, [...casts, ...rest]));
};
