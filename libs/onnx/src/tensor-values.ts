import { ELEMENT } from './graph-builder.ts';
import { fromHalf, toHalf } from './half.ts';
import { TENSOR } from './model.ts';
import { bytesOf, type Field, integersOf } from './wire.ts';

/** Where the numbers of a tensor lie in the file: views of its bytes, in their order. */
export interface TensorValues {
  readonly type: 'float32' | 'float16';
  readonly length: number;
  readonly pieces: readonly Uint8Array[];
}

/** TensorProto.DataLocation EXTERNAL. */
const EXTERNAL = 1n;

/** The values of a tensor of floats, or why they cannot be read, to follow the tensor's name. */
export const tensorValues = (tensor: readonly Field[]): TensorValues | string => {
  if (integersOf(tensor, TENSOR.dataLocation).at(-1) === EXTERNAL)
    return 'lie in another file; export the model as one';
  const element = Number(integersOf(tensor, TENSOR.dataType).at(-1) ?? 0n);
  if (element !== ELEMENT.float32 && element !== ELEMENT.float16) return 'are no 32-bit or 16-bit floats';
  const type = element === ELEMENT.float32 ? 'float32' : 'float16';
  const raw = bytesOf(tensor, TENSOR.rawData);
  // Numbers of their own field stand packed or one by one.
  const apart = type === 'float32' ? tensor.filter(({ number }) => number === TENSOR.floatData) : [];
  const pieces = raw === undefined ? apart.map(({ value }) => value as Uint8Array) : [raw];
  const width = type === 'float32' ? 4 : 2;
  const length = pieces.reduce((total, piece) => total + piece.length, 0) / width;
  const expected = integersOf(tensor, TENSOR.dims).reduce((product, size) => product * Number(size), 1);
  if (length !== expected || pieces.some((piece) => piece.length % width !== 0)) {
    return `are not where they are looked for (raw_data or float_data): expected ${expected} values, found ${length}`;
  }
  return { type, length, pieces };
};

/** Calls with each number's place, in the order of the tensor. */
const each = ({ type, pieces }: TensorValues, visit: (view: DataView, at: number, index: number) => void): void => {
  const width = type === 'float32' ? 4 : 2;
  let index = 0;
  for (const piece of pieces) {
    const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
    for (let at = 0; at < piece.length; at += width) visit(view, at, index++);
  }
};

/** The numbers, widened to 32 bits. */
export const readValues = (values: TensorValues): Float32Array => {
  const numbers = new Float32Array(values.length);
  each(values, (view, at, index) => {
    numbers[index] = values.type === 'float32' ? view.getFloat32(at, true) : fromHalf(view.getUint16(at, true));
  });
  return numbers;
};

/** Writes numbers over those that are there, rounded to the tensor's type. */
export const overwriteValues = (values: TensorValues, numberAt: (index: number) => number): void => {
  each(values, (view, at, index) => {
    if (values.type === 'float32') view.setFloat32(at, numberAt(index), true);
    else view.setUint16(at, toHalf(numberAt(index)), true);
  });
};
