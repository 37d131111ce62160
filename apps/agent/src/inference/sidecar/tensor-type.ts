import { z } from 'zod';

/** Element types of tensors on the socket; `bool` is a byte of 0 or 1, all others little-endian. */
const ELEMENT_BYTES = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
} as const;

export type TensorType = keyof typeof ELEMENT_BYTES;

export const tensorTypeSchema = z.enum(Object.keys(ELEMENT_BYTES) as [TensorType, ...TensorType[]]);

const sizeSchema = z.int().nonnegative();

/** A tensor as it lies in a message's body: its bytes follow those of the one before. */
export const tensorHeadSchema = z.object({
  name: z.string().min(1),
  type: tensorTypeSchema,
  shape: z.array(sizeSchema).max(8),
});
export type TensorHead = z.infer<typeof tensorHeadSchema>;

/** A tensor with its elements. */
export interface SidecarTensor extends TensorHead {
  readonly bytes: Uint8Array;
}

/** How many elements a shape has. */
export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Bytes of a tensor's elements. */
export const bytesOf = ({ type, shape }: Pick<TensorHead, 'type' | 'shape'>): number =>
  elementsOf(shape) * ELEMENT_BYTES[type];

/** What tensors of a message hold, one behind the other in its body; undefined where their bytes do not make up the body. */
export const cutTensors = (heads: readonly TensorHead[], body: Uint8Array): SidecarTensor[] | undefined => {
  let start = 0;
  const tensors = heads.map((head) => {
    const end = start + bytesOf(head);
    const tensor = { ...head, bytes: body.subarray(start, end) };
    start = end;
    return tensor;
  });
  return start === body.byteLength ? tensors : undefined;
};

/** The bytes of tensors one behind the other, as a message's body. A single one is not copied. */
export const joinTensors = (tensors: readonly SidecarTensor[]): Uint8Array => {
  const [first] = tensors;
  return first !== undefined && tensors.length === 1 ? first.bytes : Buffer.concat(tensors.map(({ bytes }) => bytes));
};

type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** A tensor's elements as numbers; 64-bit whole numbers as the nearest double. Not copied where that can be. */
export const numbersIn = ({ type, bytes }: Pick<SidecarTensor, 'type' | 'bytes'>): Numbers => {
  const size = ELEMENT_BYTES[type];
  // A view begins where its elements may; behind an odd tensor they do not.
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const length = byteLength / size;
  switch (type) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, length);
    case 'float64':
      return new Float64Array(buffer, byteOffset, length);
    case 'float16':
      return Float32Array.from(new Float16Array(buffer, byteOffset, length));
    case 'int8':
      return new Int8Array(buffer, byteOffset, length);
    case 'uint8':
    case 'bool':
      return new Uint8Array(buffer, byteOffset, length);
    case 'int16':
      return new Int16Array(buffer, byteOffset, length);
    case 'uint16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'int32':
      return new Int32Array(buffer, byteOffset, length);
    case 'uint32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, length), Number);
    case 'uint64':
      return Float64Array.from(new BigUint64Array(buffer, byteOffset, length), Number);
  }
};
