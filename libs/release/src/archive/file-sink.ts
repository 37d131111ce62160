import type { FileHandle } from 'node:fs/promises';

/** So many small chunks are one write: a call of its own for each costs more than the bytes do. */
const BATCH_BYTES = 256 * 1024;

/** Writes chunks to a file one behind the other, a batch at a time, while the next batch is gathered. */
export class FileSink {
  readonly #file: FileHandle;
  #position: number;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #underWay: Promise<void> = Promise.resolve();

  /** @param position where the first chunk goes, in bytes */
  constructor(file: FileHandle, position = 0) {
    this.#file = file;
    this.#position = position;
  }

  /** Takes a chunk, which must not change any more. @throws the disk's error, maybe of a chunk before */
  async write(chunk: Uint8Array): Promise<void> {
    this.#batch.push(chunk);
    this.#batchBytes += chunk.length;
    if (this.#batchBytes >= BATCH_BYTES) await this.#begin();
  }

  /** Writes what is left. @throws the disk's error */
  async end(): Promise<void> {
    if (this.#batchBytes > 0) await this.#begin();
    await this.#underWay;
  }

  /** Waits for the batch before, and begins to write this one. */
  async #begin(): Promise<void> {
    await this.#underWay;
    this.#underWay = this.#writeAll(this.#batch, this.#position);
    // It is heard by whoever waits for it next.
    this.#underWay.catch(() => undefined);
    this.#position += this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
  }

  async #writeAll(batch: readonly Uint8Array[], from: number): Promise<void> {
    let rest = batch;
    let position = from;
    while (rest.length > 0) {
      // A disk that is nearly full takes a part of it.
      const { bytesWritten } = await this.#file.writev(rest, position);
      position += bytesWritten;
      rest = withoutFirst(rest, bytesWritten);
    }
  }
}

/** Chunks without their first `count` bytes. */
const withoutFirst = (chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] => {
  let left = count;
  return chunks.flatMap((chunk) => {
    const taken = Math.min(left, chunk.length);
    left -= taken;
    return taken === chunk.length ? [] : [chunk.subarray(taken)];
  });
};
