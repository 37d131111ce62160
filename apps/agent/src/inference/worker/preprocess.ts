import type { Preprocessing, Size } from '@aviary/release';
import sharp from 'sharp';
import type { Picture } from '../frame.ts';
import { checkRaw, MAX_PIXELS, undecodable } from './pixels.ts';

const FITS = {
  stretch: 'fill',
  letterbox: 'contain',
  crop: 'cover',
  // The size has been made for the picture.
  within: 'fill',
  'fixed-height': 'fill',
} as const;

/**
 * The dimensions of the tensor for pictures of one size, batch first.
 * @param size of the tensor, where it follows from the picture
 */
export function tensorShape(spec: Preprocessing, size: Size = spec, pictures = 1): number[] {
  const channels = spec.mean.length;
  if (spec.layout === 'nchw') return [pictures, channels, size.height, size.width];
  if (spec.layout === 'nhwc') return [pictures, size.height, size.width, channels];
  return [pictures, size.height * size.width * channels];
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
   * @param into the tensor's elements of this picture, overwritten: as many as the product of `tensorShape`.
   * @param size of the tensor, where it follows from the picture
   * @throws FrameError `frame-undecodable` when the bytes are no picture that can be read.
   */
  async run(picture: Picture, into: Float32Array, size: Size = this.#spec): Promise<void> {
    if (this.runAtOnce(picture, into, size)) return;
    const { pixels, channels } = await this.#decode(picture, size);
    this.#fill(pixels, channels, into);
  }

  /**
   * `run` for raw pixels of the right size, which need no decoder: this is the path of a camera that already gives what
   * the model takes.
   * @returns false when the picture needs more than that, and nothing was done
   */
  runAtOnce(picture: Picture, into: Float32Array, { width, height }: Size = this.#spec): boolean {
    if (picture.kind !== 'raw' || picture.width !== width || picture.height !== height) return false;
    checkRaw(picture);
    this.#fill(picture.bytes, picture.channels, into);
    return true;
  }

  async #decode(picture: Picture, { width, height }: Size): Promise<{ pixels: Uint8Array; channels: 1 | 3 }> {
    const { resize, fill } = this.#spec;
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
      throw undecodable(error);
    }
  }

  #fill(pixels: Uint8Array, channels: 1 | 3, into: Float32Array): void {
    const count = pixels.length / channels;
    if (this.#spec.color === 'gray') {
      this.#fillGray(pixels, channels, count, into);
      return;
    }
    const [first, second, third] = this.#tables as [Float32Array, Float32Array, Float32Array];
    const [a, b, c] = channels === 1 ? [0, 0, 0] : this.#spec.color === 'bgr' ? [2, 1, 0] : [0, 1, 2];
    // One walk over the pixels: three would read them from memory three times.
    if (this.#spec.layout === 'nchw') {
      for (let i = 0, source = 0, g = count, r = 2 * count; i < count; i += 1, source += channels, g += 1, r += 1) {
        into[i] = first[pixels[source + a] as number] as number;
        into[g] = second[pixels[source + b] as number] as number;
        into[r] = third[pixels[source + c] as number] as number;
      }
      return;
    }
    for (let i = 0, source = 0; i < count * 3; i += 3, source += channels) {
      into[i] = first[pixels[source + a] as number] as number;
      into[i + 1] = second[pixels[source + b] as number] as number;
      into[i + 2] = third[pixels[source + c] as number] as number;
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
