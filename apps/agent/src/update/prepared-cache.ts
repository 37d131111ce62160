import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../state/durable-file.ts';
import type { SealedBox } from '../state/sealed-box.ts';

const CHUNK_BYTES = 2 ** 20;
const LENGTH_BYTES = 4;
/** What sealing adds to a chunk at most. */
const SEAL_BYTES = 64;
const DRAFT = '.new';

export interface PreparedCacheOptions {
  /** Most that all files have together; the newest stays, however large it is. */
  readonly maxBytes: number;
}

/**
 * What was built on this device out of releases, on its disk: encrypted, since it holds the models, and each under the
 * digest of all that it follows from. What is damaged or cut off does not open, and is built again.
 */
export class PreparedCache {
  readonly #folder: string;
  readonly #box: SealedBox;
  readonly #maxBytes: number;

  constructor(folder: string, box: SealedBox, { maxBytes }: PreparedCacheOptions) {
    this.#folder = folder;
    this.#box = box;
    this.#maxBytes = maxBytes;
  }

  /** Removes what a power cut has left unfinished. */
  async start(): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      if (name.endsWith(DRAFT)) await rm(join(this.#folder, name), { force: true }).catch(() => undefined);
    }
  }

  /**
   * Opens what was built, and remembers that it is in use.
   * @param into path of the plain file
   * @returns false when there is nothing that opens; `into` is not there then
   */
  async open(key: string, into: string): Promise<boolean> {
    const path = join(this.#folder, key);
    try {
      await using from = await open(path, 'r');
      await using to = await open(into, 'wx', 0o600);
      const { size } = await from.stat();
      for (let position = 0, index = 0; position < size; index += 1) {
        const chunk = await this.#readChunk(from, position, size);
        const end = position + LENGTH_BYTES + (chunk?.length ?? 0);
        const plain = chunk && this.#box.open(chunk, placeOf(key, index, end === size));
        if (plain === undefined) throw new Error('damaged');
        await to.write(plain);
        position = end;
      }
      if (size === 0) throw new Error('empty');
      const now = new Date();
      await utimes(path, now, now);
      return true;
    } catch {
      await rm(into, { force: true });
      await rm(path, { force: true });
      return false;
    }
  }

  /**
   * Keeps what was built; the oldest others go until all fits.
   * @param from path of the plain file
   * @throws what the disk throws; nothing is kept then
   */
  async put(key: string, from: string): Promise<void> {
    const path = join(this.#folder, key);
    const draft = `${path}${DRAFT}`;
    const { size } = await stat(from);
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.#makeRoom(size, key);
    try {
      {
        await using plain = await open(from, 'r');
        await using sealed = await open(draft, 'w', 0o600);
        const buffer = Buffer.alloc(CHUNK_BYTES);
        for (let position = 0, index = 0; position < size; index += 1) {
          const { bytesRead } = await plain.read(buffer, 0, CHUNK_BYTES, position);
          if (bytesRead === 0) throw new Error(`${from} has become shorter`);
          position += bytesRead;
          const chunk = this.#box.seal(buffer.subarray(0, bytesRead), placeOf(key, index, position === size));
          const length = Buffer.alloc(LENGTH_BYTES);
          length.writeUInt32LE(chunk.length);
          await sealed.write(Buffer.concat([length, chunk]));
        }
        await sealed.sync();
      }
      await rename(draft, path);
      await syncDirectory(this.#folder);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async #readChunk(from: FileHandle, position: number, size: number): Promise<Buffer | undefined> {
    const prefix = Buffer.alloc(LENGTH_BYTES);
    await from.read(prefix, 0, LENGTH_BYTES, position);
    const length = prefix.readUInt32LE();
    if (length > CHUNK_BYTES + SEAL_BYTES || position + LENGTH_BYTES + length > size) return undefined;
    const chunk = Buffer.alloc(length);
    await from.read(chunk, 0, length, position + LENGTH_BYTES);
    return chunk;
  }

  async #makeRoom(bytes: number, but: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(this.#folder))
        .filter((name) => name !== but)
        .map(async (name) => ({ name, ...(await stat(join(this.#folder, name))) })),
    );
    files.sort((a, b) => a.mtimeMs - b.mtimeMs);
    let left = files.reduce((sum, { size }) => sum + size, bytes);
    for (const { name, size } of files) {
      if (left <= this.#maxBytes) return;
      await rm(join(this.#folder, name), { force: true });
      left -= size;
    }
  }
}

/** Chunks open in their order only, and without the last one a file is not whole. */
const placeOf = (key: string, index: number, isLast: boolean): string => `${key} ${index}${isLast ? ' last' : ''}`;
