import { describe, expect, it } from 'vitest';
import type { RawPicture } from '../frame.ts';
import { PnmReader } from './pnm-reader.ts';

const read = (chunks: readonly Uint8Array[]): RawPicture[] => {
  const pictures: RawPicture[] = [];
  const reader = new PnmReader((picture) => pictures.push(picture));
  for (const chunk of chunks) reader.push(chunk);
  return pictures;
};
const ppm = (header: string, ...pixels: number[]): Buffer => Buffer.concat([Buffer.from(header), Buffer.from(pixels)]);

describe('a stream of PPM and PGM pictures', () => {
  // Pixels that look like blanks and comments: where a header ends is told by its words alone.
  const color = ppm('P6\n2 1\n255\n', 10, 35, 32, 13, 9, 255);
  const gray = ppm('P5 # by hand\n# 3 x 1\n1\t3 255\r', 1, 2, 3);

  it.each([1, 2, 7, 1000])('is read in pieces of %i bytes', (size) => {
    const all = Buffer.concat([color, gray, color]);
    const chunks = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
      all.subarray(i * size, (i + 1) * size),
    );
    const pictures = read(chunks);
    expect(pictures.map(({ width, height, channels, bytes }) => [width, height, channels, [...bytes]])).toEqual([
      [2, 1, 3, [10, 35, 32, 13, 9, 255]],
      [1, 3, 1, [1, 2, 3]],
      [2, 1, 3, [10, 35, 32, 13, 9, 255]],
    ]);
    // Each is memory of its own: the next one does not change it.
    expect(new Set(pictures.map(({ bytes }) => bytes.buffer)).size).toBe(3);
  });

  it.each([
    'P3\n1 1\n255\n',
    'P6\n1 1\n65535\n',
    'P6\n0 1\n255\n',
    'P6\n-1 1\n255\n',
    'P6\n99999 99999\n255\n',
    'hello, I am a library that greets\n',
    ' '.repeat(2000),
  ])('is refused when it begins with %j', (text) => {
    expect(() => read([Buffer.from(text)])).toThrow(expect.objectContaining({ code: 'protocol-broken' }));
  });
});
