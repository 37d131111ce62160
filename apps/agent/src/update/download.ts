import { createHash, type Hash } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FileSink, filePieces } from '@aviary/release';
import { syncDirectory } from '../state/durable-file.ts';
import { isDiskFull } from '../state/full-disk.ts';
import {
  DownloadCorruptError,
  DownloadInterruptedError,
  demandWhole,
  interruptionOf,
  type Reception,
  receive,
} from './reception.ts';

/** Not the source's fault, beside that it is full. */
const DISK_ERRORS: ReadonlySet<string> = new Set(['EFBIG', 'EROFS', 'EIO']);

/** Why a download has ended for good: `download-corrupt`, `disk-full` or `disk-failed`. */
export const failureCodeOf = (error: unknown): string => {
  if (error instanceof DownloadCorruptError) return error.code;
  return isDiskFull(error) ? 'disk-full' : 'disk-failed';
};

export interface Download extends Omit<Reception, 'have'> {
  /** Where the whole file goes; what is not whole yet is beside it with `.part`. */
  readonly path: string;
  /** Hex, as signed. */
  readonly sha256: string;
}

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** Of a file, as far as it is there. */
const hashOf = async (path: string): Promise<Hash> => {
  const hash = createHash('sha256');
  for await (const piece of filePieces(path)) hash.update(piece);
  return hash;
};

/**
 * Brings a file here, going on where an earlier try stopped; it appears under its name only when it is whole, synced,
 * and has the signed digest. Never takes more bytes than were signed.
 * @throws DownloadInterruptedError to be tried again; DownloadCorruptError; the disk's own error (ENOSPC)
 */
export const download = async ({ path, length, sha256, ...source }: Download): Promise<void> => {
  if ((await sizeOf(path)) === length && (await hashOf(path)).digest('hex') === sha256) return;
  const part = `${path}.part`;
  let have = await sizeOf(part);
  if (have > length) {
    await rm(part, { force: true });
    have = 0;
  }
  const isResumed = have > 0;
  const hash = have < length ? await fetchRest(part, { have, length, ...source }) : await hashOf(part);
  const actual = hash.digest('hex');
  if (actual !== sha256) {
    await rm(part, { force: true });
    if (isResumed) {
      throw new DownloadInterruptedError(
        `what was left of an earlier try does not fit together with the rest; begun anew`,
      );
    }
    throw new DownloadCorruptError(`expected bytes with SHA-256 ${sha256}, got ${actual}; they were thrown away`);
  }
  await rename(part, path);
  await syncDirectory(dirname(path));
};

/** @returns the hash of the whole file, taken while it came: it is not read again for it */
const fetchRest = async (part: string, reception: Reception): Promise<Hash> => {
  const { have, length } = reception;
  await using file = await open(part, have === 0 ? 'w' : 'r+', 0o600);
  // What lies there is hashed before the source is asked: it would have to wait meanwhile, and be called slow.
  let hash = have === 0 ? createHash('sha256') : await hashOf(part);
  let sink: FileSink | undefined;
  try {
    let position: number;
    try {
      position = await receive(reception, {
        begin: async (start) => {
          if (start < have) {
            await file.truncate(0);
            hash = createHash('sha256');
          }
          sink = new FileSink(file, start);
        },
        take: async (chunk) => {
          hash.update(chunk);
          await sink?.write(chunk);
        },
      });
    } finally {
      // What came is kept, however it ended.
      await sink?.end();
    }
    await file.sync();
    demandWhole(position, length);
    return hash;
  } catch (error) {
    if (error instanceof DownloadCorruptError) await rm(part, { force: true });
    if (isDiskFull(error) || DISK_ERRORS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw interruptionOf(error);
  }
};
