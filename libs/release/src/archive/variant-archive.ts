import { Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';
import { isArchivePath } from './manifest.ts';

export type ArchiveErrorCode =
  | 'archive-path-refused'
  | 'archive-entry-refused'
  | 'archive-too-large'
  | 'archive-malformed';

/** A tar that is not one of ours, or that tries something; `code` says what. */
export class ArchiveError extends Error {
  readonly code: ArchiveErrorCode;
  constructor(code: ArchiveErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ArchiveError';
    this.code = code;
  }
}

/** What {@link readArchive} takes at most. */
export interface ArchiveLimits {
  readonly maxEntries: number;
  /** Bytes of one file. */
  readonly maxEntryBytes: number;
  /** Bytes of all files together. */
  readonly maxTotalBytes: number;
}

export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  maxEntries: 10_000,
  maxEntryBytes: 2 * 1024 ** 3,
  maxTotalBytes: 4 * 1024 ** 3,
};

/**
 * A deterministic POSIX tar: files only, in the order of their names' bytes, mode 0644, owner 0, time 0. The same files
 * give the same bytes, and `tar -x` reads them.
 * @throws ArchiveError `archive-path-refused`
 */
export async function packArchive(files: ReadonlyMap<string, Uint8Array>): Promise<Buffer> {
  const archive = pack();
  const parts: Buffer[] = [];
  const done = (async () => {
    for await (const part of archive as AsyncIterable<Uint8Array>) parts.push(Buffer.from(part));
  })();
  for (const name of sortedNames(files.keys())) {
    assertPath(name);
    const bytes = files.get(name) ?? new Uint8Array();
    archive.entry(
      { name, size: bytes.length, mode: 0o644, uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0), type: 'file' },
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    );
  }
  archive.finalize();
  await done;
  return Buffer.concat(parts);
}

/** A file of an archive, while it is read. */
export interface ArchiveEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** To be read to its end before the next entry is asked for. @throws as {@link archiveEntries} */
  readonly content: AsyncIterable<Buffer>;
}

/**
 * Reads a tar from outside, file after file in its own order; nothing is kept in memory. What was given out is to be
 * thrown away when it ends with an error.
 * @throws ArchiveError for absolute and climbing paths, links and anything else than plain files, duplicates, and more
 * or larger entries than `limits` allow. An error of the source is passed on as it is.
 */
export async function* archiveEntries(
  tar: AsyncIterable<Uint8Array> | Uint8Array,
  limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const names = new Set<string>();
  let total = 0;
  const entries = extract();
  // Errors of the source reach the reader through the extractor, and its own reach the source.
  const source = Readable.from(tar instanceof Uint8Array ? [tar] : tar);
  source.on('error', (error) => entries.destroy(error));
  source.pipe(entries as unknown as NodeJS.WritableStream);
  // A file that is being read hears only that its stream is gone: what went wrong is known here.
  let failure: Error | undefined;
  entries.on('error', (error: Error) => {
    failure ??= error;
  });
  const refusal = (error: unknown) => refusalOf(isGone(error) ? (failure ?? error) : error);
  try {
    for await (const entry of entries) {
      const { name, type, size } = entry.header;
      if (type !== 'file') {
        throw new ArchiveError('archive-entry-refused', `expected plain files only, got ${name} of type ${type}`);
      }
      assertPath(name);
      if (names.has(name)) throw new ArchiveError('archive-entry-refused', `${name} is in the archive twice`);
      if (names.size >= limits.maxEntries) {
        throw new ArchiveError('archive-too-large', `expected at most ${limits.maxEntries} files in the archive`);
      }
      names.add(name);
      total += size;
      // The header's word is checked before a byte is given out; tar-stream then never yields more than it says.
      if (size > limits.maxEntryBytes || total > limits.maxTotalBytes) {
        throw new ArchiveError(
          'archive-too-large',
          `${name} (${size} bytes) exceeds what is taken: ${limits.maxEntryBytes} bytes for one file, ${limits.maxTotalBytes} for all`,
        );
      }
      yield { name, size, content: contentOf(entry as AsyncIterable<Buffer>, refusal) };
    }
  } catch (error) {
    throw refusal(error);
  } finally {
    source.destroy();
  }
}

async function* contentOf(
  entry: AsyncIterable<Buffer>,
  refusal: (error: unknown) => unknown,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* entry;
  } catch (error) {
    throw refusal(error);
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'STREAM_DESTROYED';
}

/** What tar-stream or the source threw, in our words where it has no code of its own. */
function refusalOf(error: unknown): unknown {
  if (error instanceof ArchiveError || (error instanceof Error && 'code' in error)) return error;
  return new ArchiveError('archive-malformed', `the archive is damaged or cut: ${messageOf(error)}`, { cause: error });
}

/** {@link archiveEntries} into memory. @throws as it does */
export async function readArchive(
  tar: AsyncIterable<Uint8Array> | Uint8Array,
  limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const { name, content } of archiveEntries(tar, limits)) {
    const parts: Uint8Array[] = [];
    for await (const part of content) parts.push(part);
    files.set(name, Buffer.concat(parts));
  }
  return files;
}

/** Names in the order of their UTF-8 bytes, which is that of their Unicode code points (OMS, 5.2.1). */
export function sortedNames(names: Iterable<string>): string[] {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8')));
}

function assertPath(name: string): void {
  if (!isArchivePath(name) || name.length > 240) {
    throw new ArchiveError(
      'archive-path-refused',
      `expected a relative path without "..", got ${JSON.stringify(name.slice(0, 240))}`,
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
