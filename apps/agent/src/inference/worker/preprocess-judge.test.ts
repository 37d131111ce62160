import type { Preprocessing } from '@aviary/release';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Preprocessor, tensorShape } from './preprocess.ts';

// A second implementation in plain arithmetic judges what the worker makes of a picture. It does what libvips documents of
// vips_resize: a picture that shrinks by much is first brought down by whole numbers with a box, until at least a factor of two
// is left for Lanczos 3, columns before rows; one that grows is sampled with Catmull-Rom
// at x ÷ scale − 0.5.

interface Plane {
  readonly width: number;
  readonly height: number;
  readonly values: Float64Array;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos3 = (x: number): number => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);
const catmullRom = (x: number): number => {
  const a = Math.abs(x);
  if (a < 1) return 1.5 * a ** 3 - 2.5 * a ** 2 + 1;
  return a < 2 ? -0.5 * a ** 3 + 2.5 * a ** 2 - 4 * a + 2 : 0;
};

const whole = (value: number): number => Math.max(0, Math.min(255, Math.round(value)));

type Along = (line: Float64Array) => Float64Array;

/** Columns first, then rows. */
function inBoth({ width, height, values }: Plane, down: Along, across: Along): Plane {
  const columns = Array.from({ length: width }, (_, x) =>
    down(Float64Array.from({ length: height }, (__, y) => values[y * width + x] as number)),
  );
  const rows = Array.from({ length: columns[0]?.length ?? 0 }, (_, y) =>
    across(Float64Array.from(columns, (column) => column[y] as number)),
  );
  return {
    width: rows[0]?.length ?? 0,
    height: rows.length,
    values: Float64Array.from(rows.flatMap((row) => [...row])),
  };
}

/** The mean of each `box` pixels, in whole numbers. */
const boxed =
  (box: number): Along =>
  (line) =>
    Float64Array.from({ length: Math.ceil(line.length / box) }, (_, i) => {
      const parts = Array.from({ length: box }, (__, k) => line[Math.min(line.length - 1, i * box + k)] as number);
      return whole(parts.reduce((sum, part) => sum + part, 0) / box);
    });

/** Each pixel as `scale` of one; what lies beyond the ends is as the last pixels. */
const sampled =
  (scale: number, length: number): Along =>
  (line) => {
    if (scale === 1) return line;
    const factor = 1 / scale;
    const [kernel, reach] = factor > 1 ? [lanczos3, 3 * factor] : [catmullRom, 2];
    const across = Math.max(1, factor);
    const beyond = (length - line.length * scale) / 2;
    return Float64Array.from({ length }, (_, i) => {
      const centre = factor > 1 ? (i - beyond + 0.5) * factor - 0.5 : i * factor - 0.5;
      let [sum, weights] = [0, 0];
      for (let at = Math.ceil(centre - reach); at <= Math.floor(centre + reach); at += 1) {
        const weight = kernel((at - centre) / across);
        sum += weight * (line[Math.max(0, Math.min(line.length - 1, at))] as number);
        weights += weight;
      }
      return sum / weights;
    });
  };

function resized(plane: Plane, scaleX: number, scaleY: number): Plane {
  const [boxX, boxY] = [scaleX, scaleY].map((scale) => Math.max(1, Math.floor(1 / scale / 2))) as [number, number];
  const [width, height] = [plane.width * scaleX, plane.height * scaleY].map(Math.round) as [number, number];
  const smaller = inBoth(plane, boxed(boxY), boxed(boxX));
  return inBoth(smaller, sampled(scaleY * boxY, height), sampled(scaleX * boxX, width));
}

/** Where the resized picture begins in a side of the tensor; what is cut unevenly loses the odd pixel there. */
const startOf = (side: number, inner: number): number =>
  inner > side ? -Math.floor((inner - side + 1) / 2) : Math.floor((side - inner) / 2);

/** What the tensor should be: `pixel ÷ 255`. */
function judged({ width, height, resize, ...spec }: Preprocessing, planes: readonly Plane[]): Float32Array {
  const [{ width: fromWidth, height: fromHeight } = { width: 0, height: 0 }] = planes;
  const across = [width / fromWidth, height / fromHeight] as const;
  const both = resize === 'letterbox' ? Math.min(...across) : Math.max(...across);
  const [scaleX, scaleY] = resize === 'stretch' ? across : [both, both];
  const inner = planes.map((plane) => resized(plane, scaleX, scaleY));
  const ordered = spec.color === 'bgr' ? inner.toReversed() : inner;
  const count = width * height;
  const tensor = new Float32Array(count * 3).fill(spec.fill / 255);
  ordered.forEach((plane, channel) => {
    const [left, top] = [startOf(width, plane.width), startOf(height, plane.height)];
    for (let index = 0; index < count; index += 1) {
      const [column, row] = [(index % width) - left, Math.floor(index / width) - top];
      if (column < 0 || row < 0 || column >= plane.width || row >= plane.height) continue;
      const value = whole(plane.values[row * plane.width + column] as number) / 255;
      tensor[spec.layout === 'nchw' ? channel * count + index : index * 3 + channel] = value;
    }
  });
  return tensor;
}

/**
 * Waves of other directions in each colour; a picture that lies half a pixel off differs by several levels. They are soft: libvips
 * rounds between its passes, and a hard edge makes more of that.
 */
function paint(width: number, height: number): { planes: Plane[]; pixels: Uint8Array } {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 3) {
      const [right, down] = [(x / width) * 2 * Math.PI, (y / height) * 2 * Math.PI];
      pixels[at] = 120 + 80 * Math.sin(2 * right);
      pixels[at + 1] = 130 + 70 * Math.cos(2 * down);
      pixels[at + 2] = 110 + 60 * Math.sin(right + down);
    }
  }
  const planes = [0, 1, 2].map((channel) => ({
    width,
    height,
    values: Float64Array.from({ length: width * height }, (_, i) => pixels[i * 3 + channel] as number),
  }));
  return { planes, pixels };
}

const SIZES = [
  ['shrunk', 150, 90, 64, 48],
  ['shrunk much', 400, 240, 40, 60],
  ['enlarged', 40, 30, 96, 64],
] as const;
const COMBINATIONS = SIZES.flatMap(([name, ...sizes]) =>
  (['stretch', 'letterbox', 'crop'] as const).flatMap((resize) =>
    (['nchw', 'nhwc'] as const).flatMap((layout) =>
      (['rgb', 'bgr'] as const).map((color) => ({ name, sizes, resize, layout, color })),
    ),
  ),
);

describe('a tensor, judged by a second implementation', () => {
  it.each(COMBINATIONS)('differs by at most 1 ÷ 255: $name, $resize, $layout, $color', async ({ sizes, ...manner }) => {
    const [fromWidth, fromHeight, width, height] = sizes;
    const { resize, layout, color } = manner;
    const spec: Preprocessing = {
      ...{ width, height, resize, layout, color, fill: 114, scale: 1 / 255 },
      mean: [0, 0, 0],
      std: [1, 1, 1],
    };
    const { planes, pixels } = paint(fromWidth, fromHeight);
    const bytes = await sharp(pixels, { raw: { width: fromWidth, height: fromHeight, channels: 3 } })
      .png()
      .toBuffer();
    const into = new Float32Array(tensorShape(spec).reduce((product, length) => product * length, 1));
    await new Preprocessor(spec).run({ kind: 'encoded', bytes }, into);
    const expected = judged(spec, planes);
    const difference = into.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] as number))), 0);
    expect(difference * 255).toBeLessThanOrEqual(1 + 1e-4);
  });
});
