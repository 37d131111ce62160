import type { Preprocessing } from '@aviary/release';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../frame.ts';
import { grayInput } from '../testing/light-manifest.ts';
import { Preprocessor, tensorShape } from './preprocess.ts';

const gray2x2 = grayInput(2, 2, { layout: 'flat', scale: 1 });
const rgb2x1: Preprocessing = { ...gray2x2, height: 1, color: 'rgb', layout: 'nhwc', mean: [0, 0, 0], std: [1, 1, 1] };

const raw = (width: number, height: number, channels: 1 | 3, pixels: number[]): Picture => ({
  kind: 'raw',
  width,
  height,
  channels,
  bytes: Uint8Array.from(pixels),
});

async function png(width: number, height: number, channels: 1 | 3 | 4, pixels: number[]): Promise<Picture> {
  const bytes = await sharp(Uint8Array.from(pixels), { raw: { width, height, channels } }).png().toBuffer();
  return { kind: 'encoded', bytes };
}

async function tensor(spec: Preprocessing, picture: Picture): Promise<number[]> {
  const into = new Float32Array(tensorShape(spec).reduce((product, size) => product * size, 1)).fill(Number.NaN);
  await new Preprocessor(spec).run(picture, into);
  return [...into];
}

describe('tensorShape', () => {
  it.each([
    ['nchw', [1, 3, 1, 2]],
    ['nhwc', [1, 1, 2, 3]],
    ['flat', [1, 6]],
  ] as const)('is that of %s', (layout, shape) => {
    expect(tensorShape({ ...rgb2x1, layout })).toEqual(shape);
  });
});

describe('Preprocessor', () => {
  const twoPixels = [1, 2, 3, 11, 12, 13];
  it.each([
    ['nhwc', 'rgb', [1, 2, 3, 11, 12, 13]],
    ['nhwc', 'bgr', [3, 2, 1, 13, 12, 11]],
    ['nchw', 'rgb', [1, 11, 2, 12, 3, 13]],
    ['nchw', 'bgr', [3, 13, 2, 12, 1, 11]],
    ['flat', 'rgb', [1, 2, 3, 11, 12, 13]],
  ] as const)('orders %s %s, from raw pixels as from a file', async (layout, color, expected) => {
    const spec = { ...rgb2x1, layout, color };
    expect(await tensor(spec, raw(2, 1, 3, twoPixels))).toEqual(expected);
    expect(await tensor(spec, await png(2, 1, 3, twoPixels))).toEqual(expected);
  });

  it('computes (pixel · scale − mean) ÷ std, each channel with its own', async () => {
    const spec: Preprocessing = { ...rgb2x1, width: 1, scale: 0.5, mean: [1, 2, 3], std: [1, 2, 4] };
    expect(await tensor(spec, raw(1, 1, 3, [10, 20, 30]))).toEqual([4, 4, 3]);
    // After BGR the first mean is blue's.
    expect(await tensor({ ...spec, color: 'bgr' }, raw(1, 1, 3, [10, 20, 30]))).toEqual([14, 4, 0.5]);
  });

  it('makes gray by ITU-R BT.601, and leaves gray as it is', async () => {
    const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 100, 100, 100];
    // 0.299 · 255 = 76.2; 0.587 · 255 = 149.7; 0.114 · 255 = 29.1
    expect(await tensor(gray2x2, raw(2, 2, 3, colours))).toEqual([76, 150, 29, 100]);
    expect(await tensor(gray2x2, await png(2, 2, 3, colours))).toEqual([76, 150, 29, 100]);
    expect(await tensor(gray2x2, await png(2, 2, 1, [0, 85, 170, 255]))).toEqual([0, 85, 170, 255]);
    expect(await tensor(gray2x2, raw(2, 2, 1, [0, 85, 170, 255]))).toEqual([0, 85, 170, 255]);
  });

  it('spreads one channel over three', async () => {
    expect(await tensor({ ...rgb2x1, layout: 'nchw' }, raw(2, 1, 1, [7, 9]))).toEqual([7, 9, 7, 9, 7, 9]);
  });

  it('stretches, letterboxes and crops a flat colour where it should', async () => {
    const wide = await png(4, 2, 1, [50, 50, 50, 50, 50, 50, 50, 50]);
    const spec: Preprocessing = { ...gray2x2, width: 4, height: 4, fill: 114 };
    expect(await tensor({ ...spec, resize: 'stretch' }, wide)).toEqual(Array(16).fill(50));
    expect(await tensor({ ...spec, resize: 'letterbox' }, wide)).toEqual([
      ...Array(4).fill(114),
      ...Array(8).fill(50),
      ...Array(4).fill(114),
    ]);
    // Left and right quarter are another colour and must be cut away.
    const sides = await png(4, 2, 1, [200, 50, 50, 200, 200, 50, 50, 200]);
    expect(await tensor({ ...gray2x2, resize: 'crop' }, sides)).toEqual([50, 50, 50, 50]);
    expect(await tensor({ ...gray2x2, resize: 'crop' }, raw(4, 2, 1, [200, 50, 50, 200, 200, 50, 50, 200]))).toEqual([
      50, 50, 50, 50,
    ]);
  });

  it('turns a photo as its EXIF tag says', async () => {
    const upright = sharp(Uint8Array.from([10, 10, 10, 200, 200, 200]), { raw: { width: 2, height: 1, channels: 3 } });
    // Tag 6: the camera was turned; the left pixel belongs on top.
    const bytes = await upright.withMetadata({ orientation: 6 }).png().toBuffer();
    expect(await tensor({ ...gray2x2, width: 1, height: 2 }, { kind: 'encoded', bytes })).toEqual([10, 200]);
  });

  it('shows the fill where a picture is transparent', async () => {
    const picture = await png(2, 1, 4, [10, 10, 10, 0, 20, 20, 20, 255]);
    expect(await tensor({ ...gray2x2, height: 1, fill: 114 }, picture)).toEqual([114, 20]);
  });

  it.each([
    ['no picture', { kind: 'encoded', bytes: Buffer.from('not a picture') }],
    ['nothing', { kind: 'encoded', bytes: new Uint8Array(0) }],
    ['too few raw pixels', raw(2, 2, 1, [1, 2, 3])],
    ['too few raw pixels of another size', raw(3, 2, 1, [1, 2, 3])],
  ] as const)('refuses %s', async (_name, picture) => {
    await expect(tensor(gray2x2, picture)).rejects.toMatchObject({ code: 'frame-undecodable' });
  });

  it('refuses a file that was cut off', async () => {
    const whole = await sharp(Buffer.alloc(64 * 64, 9), { raw: { width: 64, height: 64, channels: 1 } })
      .png({ compressionLevel: 0 })
      .toBuffer();
    await expect(tensor(gray2x2, { kind: 'encoded', bytes: whole.subarray(0, 1500) })).rejects.toMatchObject({
      code: 'frame-undecodable',
    });
  });
});
