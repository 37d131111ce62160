import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileSink } from './file-sink.ts';
import { archiveEntries } from './variant-archive.ts';

/** Files to be kept in memory too are small; a larger one is somebody's trick. */
const MOST_KEPT_BYTES = 16 * 1024 * 1024;

/** What was in an archive. */
export interface UnpackedArchive {
  /** SHA-256 of the whole archive, hex. */
  readonly digest: string;
  /** SHA-256 of each file, hex, by its name in the archive. */
  readonly files: ReadonlyMap<string, string>;
  /** Content of the files that were asked for. */
  readonly kept: ReadonlyMap<string, Buffer>;
}

/** A file could not be written; `cause` says why. */
export class UnpackedFileError extends Error {
  readonly code = 'unpacked-file';
}

/**
 * Hashes the files of an archive as they come, and writes them into a folder, 0600 in folders of 0700. What it holds in
 * memory does not grow with the archive. Nothing of it is to be used before it is known to be what was signed; the
 * caller removes it otherwise.
 * @param folder undefined: nothing is written
 * @param wanted names of files whose content is given back
 * @throws UnpackedFileError when a file cannot be written; what the archive and its source throw
 */
export const unpackArchive = async (
  archive: AsyncIterable<Uint8Array>,
  folder: string | undefined,
  wanted: readonly string[],
): Promise<UnpackedArchive> => {
  const whole = createHash('sha256');
  const files = new Map<string, string>();
  const kept = new Map<string, Buffer>();
  for await (const { name, size, content } of archiveEntries(hashed(archive, whole))) {
    const hash = createHash('sha256');
    const parts: Uint8Array[] | undefined = wanted.includes(name) && size <= MOST_KEPT_BYTES ? [] : undefined;
    await using file = folder === undefined ? undefined : await openNew(join(folder, name));
    const sink = file === undefined ? undefined : new FileSink(file);
    for await (const part of content) {
      hash.update(part);
      parts?.push(part);
      await sink?.write(part).catch(refuseFile);
    }
    await sink?.end().catch(refuseFile);
    files.set(name, hash.digest('hex'));
    if (parts !== undefined) kept.set(name, Buffer.concat(parts));
  }
  return { digest: whole.digest('hex'), files, kept };
};

const openNew = async (path: string): Promise<FileHandle> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(refuseFile);
  return open(path, 'wx', 0o600).catch(refuseFile);
};

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

const refuseFile = (cause: unknown): never => {
  throw new UnpackedFileError('a file of the archive cannot be written', { cause });
};
