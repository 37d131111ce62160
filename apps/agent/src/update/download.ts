import { createHash, type Hash } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { FileSink, filePieces } from '@aviary/release';
import { syncDirectory } from '../state/durable-file.ts';

/** Slower than this over the whole of a watch period, and the source is given up for now. */
const SLOWEST_BYTES_PER_SECOND = 256;

/** There is no room, or none for this user. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);
/** Not the source's fault. */
const DISK_ERRORS: ReadonlySet<string> = new Set([...FULL, 'EFBIG', 'EROFS', 'EIO']);

/** The connection or the server failed; what came so far is kept, and the next try goes on from there. */
export class DownloadInterruptedError extends Error {
  readonly code = 'download-interrupted';
}

/** What came, from its first byte on, is not what was signed; nothing of it is kept. */
export class DownloadCorruptError extends Error {
  readonly code = 'download-corrupt';
}

/** Why a download has ended for good: `download-corrupt`, `disk-full` or `disk-failed`. */
export const failureCodeOf = (error: unknown): string => {
  if (error instanceof DownloadCorruptError) return error.code;
  return FULL.has((error as NodeJS.ErrnoException).code ?? '') ? 'disk-full' : 'disk-failed';
};

export interface Download {
  /** Where the whole file goes; what is not whole yet is beside it with `.part`. */
  readonly path: string;
  /** Bytes, as signed. */
  readonly length: number;
  /** Hex, as signed. */
  readonly sha256: string;
  /** Opens the source from byte `start` on; status 206 when it really starts there. */
  readonly open: (start: number, signal: AbortSignal) => Promise<IncomingMessage>;
  readonly signal: AbortSignal;
  /** How long a source may be too slow before it is given up for now. */
  readonly patienceMs: number;
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
export const download = async ({
  path,
  length,
  sha256,
  open: openSource,
  signal,
  patienceMs,
}: Download): Promise<void> => {
  if ((await sizeOf(path)) === length && (await hashOf(path)).digest('hex') === sha256) return;
  const part = `${path}.part`;
  let have = await sizeOf(part);
  if (have > length) {
    await rm(part, { force: true });
    have = 0;
  }
  const isResumed = have > 0;
  const hash = have < length ? await fetchRest(part, have, length, openSource, signal, patienceMs) : await hashOf(part);
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

/** From which byte on the source sends: as asked, or from the beginning when it knows no ranges. */
const startOf = ({ statusCode, headers }: IncomingMessage, asked: number): number => {
  if (statusCode !== 206) return 0;
  if (headers['content-range']?.startsWith(`bytes ${asked}-`) === true) return asked;
  throw new DownloadInterruptedError(
    `expected the bytes from ${asked} on, the source offers "${headers['content-range']}"`,
  );
};

/** @returns the hash of the whole file, taken while it came: it is not read again for it */
const fetchRest = async (
  part: string,
  have: number,
  length: number,
  openSource: Download['open'],
  signal: AbortSignal,
  patienceMs: number,
): Promise<Hash> => {
  await using file = await open(part, have === 0 ? 'w' : 'r+', 0o600);
  // What lies there is hashed before the source is asked: it would have to wait meanwhile, and be called slow.
  let hash = have === 0 ? createHash('sha256') : await hashOf(part);
  const slow = new AbortController();
  let received = 0;
  let atLastLook = 0;
  const watch = setInterval(() => {
    if (received - atLastLook < (SLOWEST_BYTES_PER_SECOND * patienceMs) / 1000)
      slow.abort(new Error('the source is too slow'));
    atLastLook = received;
  }, patienceMs);
  let response: IncomingMessage | undefined;
  try {
    const both = AbortSignal.any([signal, slow.signal]);
    response = await openSource(have, both);
    const start = startOf(response, have);
    if (start < have) {
      await file.truncate(0);
      hash = createHash('sha256');
    }
    const sink = new FileSink(file, start);
    let position = start;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        received += chunk.length;
        if (position + chunk.length > length) {
          throw new DownloadCorruptError(`expected ${length} bytes, the source sends more`);
        }
        position += chunk.length;
        hash.update(chunk);
        await sink.write(chunk);
      }
    } finally {
      // What came is kept, however it ended.
      await sink.end();
    }
    await file.sync();
    if (position < length) throw new DownloadInterruptedError(`the source ended after ${position} of ${length} bytes`);
    return hash;
  } catch (error) {
    if (error instanceof DownloadCorruptError) {
      await rm(part, { force: true });
      throw error;
    }
    const { code = '' } = error as NodeJS.ErrnoException;
    if (DISK_ERRORS.has(code)) throw error;
    if (error instanceof DownloadInterruptedError) throw error;
    throw new DownloadInterruptedError(error instanceof Error ? error.message : String(error));
  } finally {
    clearInterval(watch);
    response?.destroy();
  }
};
