import { channelCount, type Preprocessing, type RunModel } from '@aviary/release';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

const FITS = { stretch: 'fill', letterbox: 'contain', crop: 'cover' } as const;

/** Rec. ITU-R BT.601 luma weights, as every common image library has them. */
const LUMA = [0.299, 0.587, 0.114] as const;

const pixelsOf = async (picture: Uint8Array, input: Preprocessing): Promise<Uint8Array> => {
  const background = { r: input.fill, g: input.fill, b: input.fill };
  const { data, info } = await sharp(picture)
    .autoOrient()
    .flatten({ background })
    .resize(input.width, input.height, { fit: FITS[input.resize], background })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (input.color !== 'gray') return data;
  const gray = new Uint8Array(input.width * input.height);
  for (let index = 0; index < gray.length; index += 1) {
    const at = index * info.channels;
    const [red = 0, green = 0, blue = 0] =
      info.channels >= 3 ? data.subarray(at, at + 3) : [data[at], data[at], data[at]];
    gray[index] = Math.round(LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue);
  }
  return gray;
};

const tensorOf = async (picture: Uint8Array, input: Preprocessing): Promise<Tensor> => {
  const pixels = await pixelsOf(picture, input);
  const channels = channelCount(input.color);
  const { width, height, layout } = input;
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

/**
 * What a model answers here to its acceptance pictures: the device compares its own answers with these. A model that
 * this machine has no runtime for has none.
 */
export const runModel: RunModel = async ({ manifest, model, samples }) => {
  if (manifest.variant.runtime !== 'onnxruntime') return undefined;
  const session = await InferenceSession.create(model, { executionProviders: ['cpu'], intraOpNumThreads: 1 });
  const [input] = session.inputNames;
  const [output] = session.outputNames;
  if (input === undefined || output === undefined) throw new Error('expected a model with an input and an output');
  const outputs: number[][] = [];
  for (const { bytes } of samples) {
    const answer = await session.run({ [input]: await tensorOf(bytes, manifest.preprocessing) });
    outputs.push(Array.from((answer[output] as Tensor).data as Float32Array));
  }
  await session.release();
  return outputs;
};
