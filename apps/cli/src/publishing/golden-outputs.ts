import {
  channelCount,
  hasDynamicSize,
  type Preprocessing,
  placementOf,
  type RunModel,
  type Size,
} from '@aviary/release';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

const FITS = { stretch: 'fill', letterbox: 'contain', crop: 'cover', within: 'fill', 'fixed-height': 'fill' } as const;

/** Rec. ITU-R BT.601 luma weights, as every common image library has them. */
const LUMA = [0.299, 0.587, 0.114] as const;

/** How large the tensor is, which with some manners of resizing follows from the picture. */
const sizeOf = async (picture: Uint8Array, input: Preprocessing): Promise<Size> => {
  if (!hasDynamicSize(input)) return input;
  const { autoOrient } = await sharp(picture).metadata();
  return placementOf(input, autoOrient);
};

const pixelsOf = async (picture: Uint8Array, input: Preprocessing, { width, height }: Size): Promise<Uint8Array> => {
  const background = { r: input.fill, g: input.fill, b: input.fill };
  const { data, info } = await sharp(picture)
    .autoOrient()
    .flatten({ background })
    .resize(width, height, { fit: FITS[input.resize], background })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const wanted = channelCount(input.color);
  if (info.channels === wanted) return data;
  const pixels = new Uint8Array(width * height * wanted);
  for (let index = 0; index < width * height; index += 1) {
    const at = index * info.channels;
    const [red = 0, green = 0, blue = 0] =
      info.channels >= 3 ? data.subarray(at, at + 3) : [data[at], data[at], data[at]];
    if (wanted === 1) pixels[index] = Math.round(LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue);
    else pixels.set([red, green, blue], index * 3);
  }
  return pixels;
};

const tensorOf = async (picture: Uint8Array, input: Preprocessing): Promise<Tensor> => {
  const size = await sizeOf(picture, input);
  const { width, height } = size;
  const pixels = await pixelsOf(picture, input, size);
  const channels = channelCount(input.color);
  const { layout } = input;
  const values = new Float32Array(channels * width * height);
  for (let index = 0; index < width * height; index += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const source = input.color === 'bgr' ? channels - 1 - channel : channel;
      const value = (pixels[index * channels + source] ?? 0) * input.scale;
      const at = layout === 'nchw' ? channel * width * height + index : index * channels + channel;
      values[at] = (value - (input.mean[channel] ?? 0)) / (input.std[channel] ?? 1);
    }
  }
  const shapes = { nchw: [1, channels, height, width], nhwc: [1, height, width, channels], flat: [1, values.length] };
  return new Tensor('float32', values, shapes[layout]);
};

/** The tensor as often as a model with a first dimension of its own asks for. */
const repeated = (tensor: Tensor, times: number): Tensor => {
  const one = tensor.data as Float32Array;
  const values = new Float32Array(one.length * times);
  for (let index = 0; index < times; index += 1) values.set(one, index * one.length);
  return new Tensor('float32', values, [times, ...tensor.dims.slice(1)]);
};

/**
 * What a model answers here to whole acceptance pictures: the device compares its own answers with these. A model that
 * this machine has no runtime for has none.
 */
export const runModel: RunModel = async ({ manifest, input: taken, model, samples }) => {
  if (manifest.variant.runtime !== 'onnxruntime') return undefined;
  const session = await InferenceSession.create(model, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  const [input] = session.inputMetadata;
  const [output] = session.outputNames;
  if (input === undefined || output === undefined) throw new Error('expected a model with an input and an output');
  const fixed = input.isTensor && typeof input.shape[0] === 'number' ? input.shape[0] : 1;
  const outputs: ArrayLike<number>[] = [];
  for (const { bytes } of samples) {
    const tensor = repeated(await tensorOf(bytes, taken), Math.max(1, fixed));
    const answer = (await session.run({ [input.name]: tensor }))[output] as Tensor;
    outputs.push(numbersOf(answer).subarray(0, answer.size / Math.max(1, fixed)));
  }
  await session.release();
  return outputs;
};

const numbersOf = ({ data }: Tensor): Float64Array => {
  if (typeof data[0] === 'string') throw new Error("expected numbers from the model's first output, got texts");
  return Float64Array.from(data as ArrayLike<number | bigint>, Number);
};
