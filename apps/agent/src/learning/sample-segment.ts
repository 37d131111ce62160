import { open, readFile, rm } from 'node:fs/promises';
import type { SealedBox } from '../state/sealed-box.ts';

const LENGTH_BYTES = 4;

/** A record that opened, and where in its segment it lies. */
export interface SegmentRecord {
  readonly index: number;
  readonly plain: Buffer;
}

/**
 * One file of records, appended to only: `u32 length | sealed record`, again and again. Each record is sealed for its
 * place in this file, so none can be moved, doubled or taken from another device unnoticed.
 */
export class SampleSegment {
  readonly path: string;
  readonly #place: string;
  readonly #box: SealedBox;
  #records = 0;
  #bytes = 0;

  /** @param place names the segment among all that the device seals */
  constructor(path: string, place: string, box: SealedBox) {
    this.path = path;
    this.#place = place;
    this.#box = box;
  }

  /** Records in the file, those that do not open included. */
  get records(): number {
    return this.#records;
  }

  /**
   * Reads all of it. What a crash or a full disk has torn at its end is left out, and the next record is written over it;
   * a record that is damaged is left out alone.
   */
  async read(): Promise<SegmentRecord[]> {
    const content = await readFile(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    });
    const found: SegmentRecord[] = [];
    let offset = 0;
    let index = 0;
    while (offset + LENGTH_BYTES <= content.length) {
      const end = offset + LENGTH_BYTES + content.readUInt32LE(offset);
      if (end > content.length) break;
      const plain = this.#box.open(content.subarray(offset + LENGTH_BYTES, end), this.#placeOf(index));
      if (plain !== undefined) found.push({ index, plain });
      offset = end;
      index += 1;
    }
    this.#records = index;
    this.#bytes = offset;
    return found;
  }

  /** Appends a record; it is on disk when this resolves. @throws what the disk throws; the segment is then as before */
  async append(plain: Uint8Array): Promise<void> {
    const sealed = this.#box.seal(plain, this.#placeOf(this.#records));
    const record = Buffer.alloc(LENGTH_BYTES + sealed.length);
    record.writeUInt32LE(sealed.length);
    record.set(sealed, LENGTH_BYTES);
    await using file = await open(this.path, this.#bytes === 0 ? 'w' : 'r+', 0o600);
    // A torn record that was longer than this one must not shine through behind it.
    await file.truncate(this.#bytes);
    await file.write(record, 0, record.length, this.#bytes);
    await file.sync();
    this.#records += 1;
    this.#bytes += record.length;
  }

  remove(): Promise<void> {
    return rm(this.path, { force: true });
  }

  #placeOf(index: number): string {
    return `${this.#place}/${index}`;
  }
}
