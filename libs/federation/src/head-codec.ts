/** Size of a classifier's head. */
export interface HeadShape {
  readonly features: number;
  readonly classes: number;
}

/** Bytes that are no head, or no update, of the shape that was expected. */
export class HeadBytesError extends Error {
  readonly code = 'head-bytes-invalid';
}

/** Values of a head: weights `[features × classes]` row by row, then `classes` biases. */
export const headSize = ({ features, classes }: HeadShape): number => (features + 1) * classes;

/** The bytes of a head or an update: 32-bit floats, little endian. */
export const encodeHead = (values: Float32Array): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setFloat32(4 * index, value, true);
  });
  return bytes;
};

/**
 * The values of a head or an update.
 * @throws HeadBytesError when they are not as many as the shape has
 */
export const decodeHead = (bytes: Uint8Array, shape: HeadShape): Float32Array => {
  const size = headSize(shape);
  if (bytes.length !== size * 4) {
    throw new HeadBytesError(
      `Expected ${size * 4} bytes for ${shape.features} features and ${shape.classes} classes, got ${bytes.length}.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: size }, (_, index) => view.getFloat32(4 * index, true));
};

const checkLengths = (one: Float32Array, other: Float32Array): void => {
  if (one.length !== other.length) {
    throw new HeadBytesError(`Expected two heads of one shape, got ${one.length} and ${other.length} values.`);
  }
};

/** What training has changed: `next − base`. @throws HeadBytesError */
export const updateBetween = (base: Float32Array, next: Float32Array): Float32Array => {
  checkLengths(base, next);
  return base.map((value, index) => (next[index] ?? 0) - value);
};

/** The head that an update makes of its base: `base + update`, rounded to 32 bits. @throws HeadBytesError */
export const applyUpdate = (base: Float32Array, update: Float32Array): Float32Array => {
  checkLengths(base, update);
  return base.map((value, index) => value + (update[index] ?? 0));
};

/** Euclidean length, summed in 64 bits. */
export const normOf = (values: Float32Array): number => {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
};
