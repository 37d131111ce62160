import { FrameError } from '../errors.ts';

/** A tensor as a runtime gives it. */
export interface OutputTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** One of a model's outputs for one picture. */
export interface ModelOutput {
  readonly name: string;
  /** Its first dimension is 1 where the model answers several pictures at once. */
  readonly dims: readonly number[];
  readonly values: ArrayLike<number>;
}

/** A model's outputs for one picture, in the order in which they were asked for: at least one. */
export type ModelOutputs = readonly [ModelOutput, ...ModelOutput[]];

/**
 * The part of each picture in an output.
 * @param pictures how many the model was given
 * @throws FrameError `frame-failed` when the model has mixed them
 */
export function outputOfEach(name: string, tensor: OutputTensor | undefined, pictures: number): ModelOutput[] {
  if (tensor === undefined) throw new FrameError('frame-failed', `the model did not give its output "${name}"`);
  const { dims } = tensor;
  const values = numbersOf(name, tensor);
  if (pictures === 1) return [{ name, dims, values }];
  if (dims[0] !== pictures) {
    throw new FrameError(
      'frame-failed',
      `expected one part for each of ${pictures} pictures in the model's output "${name}", its shape is ${dims.join('×')}; take batch out of model.yaml`,
    );
  }
  const length = values.length / pictures;
  return Array.from({ length: pictures }, (_, picture) => ({
    name,
    dims: [1, ...dims.slice(1)],
    values: values.subarray(picture * length, (picture + 1) * length),
  }));
}

type Numbers = Float32Array | Float64Array | Int32Array | Uint32Array | Int16Array | Int8Array | Uint8Array;

function numbersOf(name: string, { data, type }: OutputTensor): Numbers {
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return Float64Array.from(data as Iterable<bigint>, Number);
  }
  // float16 comes as its bits, which are no numbers to reckon with.
  if (type !== 'float16' && ArrayBuffer.isView(data)) return data as Numbers;
  throw new FrameError(
    'frame-failed',
    `expected numbers such as float32 from the model's output "${name}", it is ${type}`,
  );
}
