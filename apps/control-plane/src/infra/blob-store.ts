import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { filePieces } from '@aviary/release';

/** The bytes that came are not those that were announced. */
export class BlobDigestError extends Error {
  readonly code = 'blob-digest-mismatch';
}

/** Content-addressed, write-once storage of sealed bytes. Holds ciphertext only. */
export interface BlobStore {
  /** Stores a stream; nothing stays unless its SHA-256 is `sha256`. @returns its length in bytes. */
  put(sha256: string, content: AsyncIterable<Uint8Array>): Promise<number>;
  /** @returns the length in bytes, or undefined when there is no such blob. */
  length(sha256: string): Promise<number | undefined>;
  /** Bytes `start` to `end` (both inclusive). A piece is good until the one after the next is asked for. */
  read(sha256: string, start: number, end: number): AsyncIterable<Uint8Array>;
}

/** Longer than any upload goes without a byte: a draft that nobody has written to since then is of a crash. */
const ABANDONED_AFTER_MS = 86_400_000;

const syncDirectory = async (path: string): Promise<void> => {
  await using directory = await open(path, 'r');
  await directory.sync();
};

/** How the blob store is named in Nest's injection: interfaces do not exist at run time. */
export const BLOB_STORE = Symbol('blob store');

/** Blobs as files `<directory>/ab/abcd…`, written aside, synced, then renamed. */
export class DirectoryBlobStore implements BlobStore {
  constructor(private readonly directory: string) {}

  /** Removes what a crash has left of uploads. Others may be under way in another process, and stay. */
  async start(): Promise<void> {
    const names = await readdir(this.incoming).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    for (const name of names) {
      const path = join(this.incoming, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { force: true });
    }
  }

  async put(sha256: string, content: AsyncIterable<Uint8Array>): Promise<number> {
    const path = this.path(sha256);
    const draft = join(this.incoming, randomUUID());
    await mkdir(dirname(path), { recursive: true });
    await mkdir(this.incoming, { recursive: true });
    const hash = createHash('sha256');
    let length = 0;
    try {
      await using file = await open(draft, 'wx', 0o600);
      for await (const chunk of content) {
        hash.update(chunk);
        length += chunk.length;
        await file.writeFile(chunk);
      }
      await file.sync();
      const actual = hash.digest('hex');
      if (actual !== sha256) {
        throw new BlobDigestError(
          `Expected bytes with SHA-256 ${sha256}, got ${actual} (${length} bytes). Send them again.`,
        );
      }
      await rename(draft, path);
      // The folder of the blob may be as new as the blob.
      await syncDirectory(dirname(path));
      await syncDirectory(this.directory);
      return length;
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async length(sha256: string): Promise<number | undefined> {
    return stat(this.path(sha256)).then(
      (found) => found.size,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      },
    );
  }

  read(sha256: string, start: number, end: number): AsyncIterable<Uint8Array> {
    return filePieces(this.path(sha256), { start, end });
  }

  private get incoming(): string {
    return join(this.directory, 'incoming');
  }

  /** @throws RangeError for any other name: it could lead out of the directory. */
  private path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw new RangeError(`Expected 64 lower-case hex digits as the name of a blob, got ${JSON.stringify(sha256)}.`);
    }
    return join(this.directory, sha256.slice(0, 2), sha256);
  }
}
