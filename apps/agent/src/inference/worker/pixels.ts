import type { Size } from '@aviary/release';
import sharp from 'sharp';
import { FrameError } from '../errors.ts';
import type { Picture, RawPicture } from '../frame.ts';
import type { Rectangle } from './views.ts';

/** A picture of more pixels is refused before it is unpacked: a small file can claim any size. */
export const MAX_PIXELS = 100_000_000;

/** The size of a picture when it stands upright. @throws FrameError `frame-undecodable` */
export async function sizeOf(picture: Picture): Promise<Size> {
  if (picture.kind === 'raw') return picture;
  try {
    return (await sharp(picture.bytes, { limitInputPixels: MAX_PIXELS }).metadata()).autoOrient;
  } catch (error) {
    throw undecodable(error);
  }
}

/**
 * All pixels of a picture, upright, for parts to be cut out.
 * @param fill 0 to 255, what shows where it is transparent
 * @throws FrameError `frame-undecodable`
 */
export async function unpack(picture: Picture, fill: number): Promise<RawPicture> {
  if (picture.kind === 'raw') {
    checkRaw(picture);
    return picture;
  }
  try {
    const { data, info } = await sharp(picture.bytes, { limitInputPixels: MAX_PIXELS })
      .autoOrient()
      .flatten({ background: { r: fill, g: fill, b: fill } })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { kind: 'raw', bytes: data, width: info.width, height: info.height, channels: info.channels === 1 ? 1 : 3 };
  } catch (error) {
    throw undecodable(error);
  }
}

/** @throws FrameError `frame-undecodable` when there are more or fewer bytes than the size says */
export function checkRaw(picture: RawPicture): void {
  const expected = picture.width * picture.height * picture.channels;
  if (picture.bytes.byteLength !== expected) {
    throw new FrameError(
      'frame-undecodable',
      `expected ${expected} bytes for raw pixels of ${picture.width}×${picture.height}×${picture.channels}, got ${picture.bytes.byteLength}`,
    );
  }
}

/** A part of a picture; the picture itself where that is all of it. */
export function cut(picture: RawPicture, { left, top, width, height }: Rectangle): RawPicture {
  if (left === 0 && top === 0 && width === picture.width && height === picture.height) return picture;
  const { channels } = picture;
  const bytes = new Uint8Array(width * height * channels);
  const row = width * channels;
  for (
    let y = 0, from = (top * picture.width + left) * channels;
    y < height;
    y += 1, from += picture.width * channels
  ) {
    bytes.set(picture.bytes.subarray(from, from + row), y * row);
  }
  return { kind: 'raw', bytes, width, height, channels };
}

/** A picture turned clockwise. */
export function turned(picture: RawPicture, degrees: number): RawPicture {
  const { width, height, channels, bytes } = picture;
  const turns = (((degrees / 90) % 4) + 4) % 4;
  if (turns === 0) return picture;
  const across = turns === 2 ? width : height;
  const result = new Uint8Array(bytes.length);
  for (let y = 0, from = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, from += channels) {
      const column = turns === 1 ? height - 1 - y : turns === 2 ? width - 1 - x : y;
      const row = turns === 1 ? x : turns === 2 ? height - 1 - y : width - 1 - x;
      const to = (row * across + column) * channels;
      for (let channel = 0; channel < channels; channel += 1) result[to + channel] = bytes[from + channel] as number;
    }
  }
  return { kind: 'raw', bytes: result, width: across, height: turns === 2 ? height : width, channels };
}

export function undecodable(error: unknown): FrameError {
  const words = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  return new FrameError('frame-undecodable', `expected a picture that can be read: ${words}`);
}
