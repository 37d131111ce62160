import { ELEMENT, nodeField, tensorField } from './graph-builder.ts';
import { GRAPH, type OnnxModel, readModel, TENSOR, tensorName, withGraph, writeModel } from './model.ts';
import { bytesOf, type Field, integersOf, readFields } from './wire.ts';

/** Rounds a number to the nearest half precision float, ties to even (IEEE 754), as its 16 bits. */
export const toHalf = (value: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const unbiased = exponent - 127;
  if (unbiased > 15) return sign | 0x7c00;
  // Below the smallest normal half the hidden bit is shifted in, and what is below the last place is rounded.
  const mantissa = exponent === 0 ? fraction : fraction | 0x800000;
  const shift = unbiased < -14 ? 13 + (-14 - unbiased) : 13;
  if (shift > 24) return sign;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const rounded = kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0);
  // A carry out of the fraction raises the exponent by itself, up to infinity.
  return sign | (unbiased < -14 ? rounded : ((unbiased + 15) << 10) + (rounded - 0x400));
};

const floatsOf = (tensor: readonly Field[]): Float32Array | undefined => {
  const raw = bytesOf(tensor, TENSOR.rawData);
  const packed = raw ?? bytesOf(tensor, TENSOR.floatData);
  if (packed === undefined) return undefined;
  const values = new Float32Array(packed.length / 4);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let index = 0; index < values.length; index += 1) values[index] = view.getFloat32(4 * index, true);
  return values;
};

const converted = (field: Field): readonly [weights: Field, cast: Field] | undefined => {
  const tensor = readFields(field.value as Uint8Array);
  const dims = integersOf(tensor, TENSOR.dims).map(Number);
  const type = Number(integersOf(tensor, TENSOR.dataType).at(-1) ?? 0n);
  const values = type === ELEMENT.float32 && dims.length >= 2 ? floatsOf(tensor) : undefined;
  if (values === undefined) return undefined;
  const name = tensorName(tensor);
  const halves = Uint16Array.from(values, toHalf);
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
