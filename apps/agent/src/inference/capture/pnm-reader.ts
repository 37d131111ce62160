import { InferenceError } from '../errors.ts';
import type { RawPicture } from '../frame.ts';

/** A raw 8K frame has 100 MB. */
const MOST_BYTES = 128 * 1024 * 1024;
/** Of a header with its comments. */
const LONGEST_HEADER = 1024;
/** By the magic number: gray or red, green, blue. */
const CHANNELS: Readonly<Record<string, 1 | 3>> = { P5: 1, P6: 3 };
const HASH = '#'.charCodeAt(0);
const NEWLINE = '\n'.charCodeAt(0);

const isBlank = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

/**
 * Pictures in a row as PPM or PGM, binary, of 8 bits (netpbm: ppm(5), pgm(5)): each says how large it is. ffmpeg
 * (`-f image2pipe -c:v ppm`) and GStreamer (`pnmenc`) both write them. Each picture is memory of its own, allocated once.
 */
export class PnmReader {
  readonly #onPicture: (picture: RawPicture) => void;
  /** Words of the header that are complete: magic number, width, height, largest value. */
  #words: string[] = [];
  #word = '';
  #inComment = false;
  #headerLength = 0;
  #picture: RawPicture | null = null;
  #filled = 0;

  /** @param onPicture is called within `push`, once per picture and in order */
  constructor(onPicture: (picture: RawPicture) => void) {
    this.#onPicture = onPicture;
  }

  /** @throws InferenceError `protocol-broken` when the bytes are no such picture; the stream is then of no further use. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#picture === null) {
        this.#readHeader(chunk[offset] ?? 0);
        offset += 1;
        continue;
      }
      const { bytes } = this.#picture;
      const end = Math.min(chunk.length, offset + bytes.length - this.#filled);
      bytes.set(chunk.subarray(offset, end), this.#filled);
      this.#filled += end - offset;
      offset = end;
      if (this.#filled === bytes.length) this.#complete(this.#picture);
    }
  }

  #complete(picture: RawPicture): void {
    this.#picture = null;
    this.#filled = 0;
    this.#onPicture(picture);
  }

  /** One byte of it; with the blank behind the fourth word it ends. */
  #readHeader(byte: number): void {
    this.#headerLength += 1;
    if (this.#headerLength > LONGEST_HEADER) throw broken('a header without end');
    if (this.#inComment) {
      this.#inComment = byte !== NEWLINE;
    } else if (byte === HASH) {
      this.#inComment = true;
    } else if (!isBlank(byte)) {
      this.#word += String.fromCharCode(byte);
    } else if (this.#word !== '') {
      this.#words.push(this.#word);
      this.#word = '';
      if (this.#words.length === 4) this.#begin();
    }
  }

  #begin(): void {
    const [magic = '', ...numbers] = this.#words;
    const [width = 0, height = 0, largest] = numbers.map((word) =>
      /^\d{1,6}$/.test(word) ? Number(word) : Number.NaN,
    );
    const channels = CHANNELS[magic];
    const length = width * height * (channels ?? 0);
    if (channels === undefined || largest !== 255 || !(length > 0 && length <= MOST_BYTES)) {
      throw broken(`the header "${this.#words.join(' ').slice(0, 100)}"`);
    }
    this.#words = [];
    this.#headerLength = 0;
    this.#picture = { kind: 'raw', width, height, channels, bytes: Buffer.allocUnsafeSlow(length) };
  }
}

const broken = (got: string): InferenceError =>
  new InferenceError(
    'protocol-broken',
    `expected pictures as PPM or PGM of 8 bits and at most ${MOST_BYTES} bytes (P6 WIDTH HEIGHT 255), got ${got}; something else may have written into this pipe`,
  );
