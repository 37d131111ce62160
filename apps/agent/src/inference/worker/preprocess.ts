import type { Preprocessing } from '@aviary/release';
import sharp from 'sharp';
import { FrameError } from '../errors.ts';
import type { Picture } from '../frame.ts';

const FITS = { stretch: 'fill', letterbox: 'contain', crop: 'cover' } as const;
/** A picture of more pixels is refused before it is unpacked: a small file can claim any size. */
const MAX_PIXELS = 100_000_000;

/** The dimensions of the tensor that `Preprocessor.run` fills, batch first. */
export function tensorShape(spec: Preprocessing): number[] {
  const channels = spec.mean.length;
  if (spec.layout === 'nchw') return [1, channels, spec.height, spec.width];
  if (spec.layout === 'nhwc') return [1, spec.height, spec.width, channels];
  return [1, spec.height * spec.width * channels];
}

/**
 * Turns pictures into input tensors, one at a time, as the manifest says: oriented by its EXIF tag, resized (Lanczos 3
 * where it shrinks), colours ordered, then `(pixel · scale − mean) ÷ std`.
 */
export class Preprocessor {
  readonly #spec: Preprocessing;
  readonly #tables: readonly Float32Array[];

  constructor(spec: Preprocessing) {
    this.#spec = spec;
    this.#tables = Array.from({ length: spec.mean.length }, (_, channel) => {
      const mean = spec.mean[channel] ?? 0;
      const std = spec.std[channel] ?? 1;
      return Float32Array.from({ length: 256 }, (_, pixel) => (pixel * spec.scale - mean) / std);
    });
  }

  /**
   * @param into the tensor's elements, overwritten: as many as the product of `tensorShape`.
   * @throws FrameError `frame-undecodable` when the bytes are no picture that can be read.
   */
  async run(picture: Picture, into: Float32Array): Promise<void> {
    const { width, height } = this.#spec;
    // Raw pixels of the right size need no decoder: this is the path of a camera that already gives what the model takes.
    if (picture.kind === 'raw' && picture.width === width && picture.height === height) {
      checkRaw(picture);
      this.#fill(picture.bytes, picture.channels, into);
      return;
    }
    const { pixels, channels } = await this.#decode(picture);
    this.#fill(pixels, channels, into);
  }

  async #decode(picture: Picture): Promise<{ pixels: Uint8Array; channels: 1 | 3 }> {
    const { width, height, resize, fill } = this.#spec;
    if (picture.kind === 'raw') checkRaw(picture);
    try {
      const source =
        picture.kind === 'encoded'
          ? sharp(picture.bytes, { limitInputPixels: MAX_PIXELS }).autoOrient()
          : sharp(picture.bytes, {
              raw: { width: picture.width, height: picture.height, channels: picture.channels },
            });
      const { data, info } = await source
        // Transparent pixels show the fill's colour, as they would on a page of it.
        .flatten({ background: { r: fill, g: fill, b: fill } })
        .resize({ width, height, fit: FITS[resize], background: { r: fill, g: fill, b: fill } })
        .toColourspace('srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      return { pixels: data, channels: info.channels === 1 ? 1 : 3 };
    } catch (error) {
      throw new FrameError('frame-undecodable', `expected a picture that can be read: ${words(error)}`);
    }
  }

  #fill(pixels: Uint8Array, channels: 1 | 3, into: Float32Array): void {
    const count = this.#spec.width * this.#spec.height;
    if (this.#spec.color === 'gray') {
      this.#fillGray(pixels, channels, count, into);
      return;
    }
    const planar = this.#spec.layout === 'nchw';
    for (let channel = 0; channel < 3; channel += 1) {
      const table = this.#tables[channel] as Float32Array;
      const from = channels === 1 ? 0 : this.#spec.color === 'bgr' ? 2 - channel : channel;
      const start = planar ? channel * count : channel;
      const step = planar ? 1 : 3;
      for (let i = 0, source = from, target = start; i < count; i += 1, source += channels, target += step) {
        into[target] = table[pixels[source] as number] as number;
      }
    }
  }

  #fillGray(pixels: Uint8Array, channels: 1 | 3, count: number, into: Float32Array): void {
    const table = this.#tables[0] as Float32Array;
    if (channels === 1) {
      for (let i = 0; i < count; i += 1) into[i] = table[pixels[i] as number] as number;
      return;
    }
    // ITU-R BT.601 luma in 16-bit fixed point, rounded: what Pillow's convert('L') gives, and exact for equal channels.
    for (let i = 0, source = 0; i < count; i += 1, source += 3) {
      const luma =
        (pixels[source] as number) * 19595 +
        (pixels[source + 1] as number) * 38470 +
        (pixels[source + 2] as number) * 7471;
      into[i] = table[(luma + 0x8000) >> 16] as number;
    }
  }
}

function checkRaw(picture: Extract<Picture, { kind: 'raw' }>): void {
  const expected = picture.width * picture.height * picture.channels;
  if (picture.bytes.byteLength !== expected) {
    throw new FrameError(
      'frame-undecodable',
      `expected ${expected} bytes for raw pixels of ${picture.width}×${picture.height}×${picture.channels}, got ${picture.bytes.byteLength}`,
    );
  }
}

function words(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}
