import { buildMlp, GraphBuilder } from '@aviary/onnx';
import { modelsOf, type Preprocessing, type ReleaseManifest, type Sample } from '@aviary/release';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { runModel } from './golden-outputs.ts';

const GREY: Preprocessing = {
  width: 2,
  height: 2,
  color: 'gray',
  resize: 'stretch',
  fill: 0,
  layout: 'flat',
  scale: 1,
  mean: [],
  std: [],
};

/** A model that answers its own input: what a device would give it. */
const mirror = (shape: readonly (number | string)[]): Buffer => {
  const graph = new GraphBuilder('mirror');
  graph.input('input', 'float32', [...shape]);
  graph.node('Identity', ['input'], 'output');
  graph.output('output', 'float32', [...shape]);
  return Buffer.from(graph.build());
};

const manifestOf = (preprocessing: Preprocessing, runtime = 'onnxruntime'): ReleaseManifest =>
  ({ preprocessing, variant: { runtime } }) as unknown as ReleaseManifest;

/** Of a manifest with one model. */
const run = (manifest: ReleaseManifest, model: Buffer, samples: readonly Sample[]) => {
  const [{ preprocessing: input }] = modelsOf({
    ...manifest,
    postprocessing: { activation: 'none', confidenceBelow: 0 },
  });
  return runModel({ manifest, input, model, samples });
};

const sampleOf = async (pixels: readonly number[], width: number, channels: 1 | 3): Promise<Sample> =>
  ({
    file: 'a.png',
    bytes: await sharp(Uint8Array.from(pixels), { raw: { width, height: pixels.length / width / channels, channels } })
      .png()
      .toBuffer(),
  }) as Sample;

const inputOf = async (
  preprocessing: Preprocessing,
  shape: readonly (number | string)[],
  sample: Sample,
): Promise<number[]> => {
  const outputs = await run(manifestOf(preprocessing), mirror(shape), [sample]);
  return Array.from(outputs?.[0] ?? []);
};

/** Red, green, blue, white. */
const COLOURS = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
const RGB: Preprocessing = { ...GREY, color: 'rgb', layout: 'nhwc' };

describe('runModel', () => {
  it('gives a model its pictures as the manifest says: grey, scaled, normalised', async () => {
    const sample = await sampleOf([0, 51, 102, 255], 2, 1);
    expect(await inputOf(GREY, [1, 4], sample)).toEqual([0, 51, 102, 255]);
    const normalised = { ...GREY, scale: 1 / 255, mean: [0.5], std: [0.5] };
    const values = await inputOf(normalised, [1, 4], sample);
    expect(values.map((value) => Number(value.toFixed(5)))).toEqual([-1, -0.6, -0.2, 1]);
  });

  it('weighs colours as the eye does when it makes them grey', async () => {
    // ITU-R BT.601: 0.299, 0.587, 0.114 of 255.
    expect(await inputOf(GREY, [1, 4], await sampleOf(COLOURS, 2, 3))).toEqual([76, 150, 29, 255]);
  });

  it('orders channels and layouts', async () => {
    const sample = await sampleOf(COLOURS, 2, 3);
    expect(await inputOf(RGB, [1, 2, 2, 3], sample)).toEqual(COLOURS);
    const bgr = await inputOf({ ...RGB, color: 'bgr' }, [1, 2, 2, 3], sample);
    expect(bgr.slice(0, 6)).toEqual([0, 0, 255, 0, 255, 0]);
    const planes = await inputOf({ ...RGB, layout: 'nchw' }, [1, 3, 2, 2], sample);
    expect(planes.slice(0, 4)).toEqual([255, 0, 0, 255]);
  });

  it('fills what a letterbox leaves free', async () => {
    const wide = await sampleOf(new Array<number>(8).fill(200), 4, 1);
    const filled = { ...GREY, width: 4, height: 4, resize: 'letterbox', fill: 9 } as const;
    const rows = await inputOf(filled, [1, 16], wide);
    expect([rows.slice(0, 4), rows.slice(4, 12), rows.slice(12)]).toEqual([
      [9, 9, 9, 9],
      new Array(8).fill(200),
      [9, 9, 9, 9],
    ]);
  });

  it('gives a model whose input follows from the picture one of that size', async () => {
    const wide = await sampleOf(new Array<number>(32).fill(7), 8, 1);
    const line = { ...GREY, width: 20, height: 8, resize: 'fixed-height', multipleOf: 1, layout: 'nchw' } as const;
    expect(await inputOf(line, [1, 1, 8, 'W'], wide)).toEqual(new Array(8 * 16).fill(7));
    const within = { ...GREY, width: 4, height: 4, resize: 'within', multipleOf: 2, layout: 'nchw' } as const;
    expect(await inputOf(within, [1, 1, 'H', 'W'], wide)).toEqual(new Array(4 * 2).fill(7));
  });

  it('answers one picture of a model that takes several at once', async () => {
    expect(await inputOf({ ...GREY, batch: 3 }, [3, 4], await sampleOf([1, 2, 3, 4], 2, 1))).toEqual([1, 2, 3, 4]);
  });

  it('answers each sample in its order, with the raw output', async () => {
    const w = Float32Array.from([1, 0, 0, 1, 0, 0, 0, 0]);
    const model = Buffer.from(buildMlp([4, 2], [{ w, b: Float32Array.of(0, 1) }]));
    const samples = [await sampleOf([1, 2, 3, 4], 2, 1), await sampleOf([7, 8, 9, 10], 2, 1)];
    expect((await run(manifestOf(GREY), model, samples))?.map((output) => Array.from(output))).toEqual([
      [1, 3],
      [7, 9],
    ]);
  });

  it('has no answer for a runtime that is not here', async () => {
    const manifest = manifestOf(GREY, 'tensorrt');
    expect(await run(manifest, Buffer.of(1), [])).toBeUndefined();
  });

  it('fails for a model that takes another shape', async () => {
    const samples = [await sampleOf([1, 2, 3, 4], 2, 1)];
    await expect(run(manifestOf(GREY), mirror([1, 9]), samples)).rejects.toThrow();
  });
});
