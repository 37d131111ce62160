import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlobDigestError, DirectoryBlobStore } from './blob-store.ts';

const BYTES = Buffer.from('sealed bytes of a variant');
const SHA256 = createHash('sha256').update(BYTES).digest('hex');

async function* inPieces(bytes: Buffer, size = 4): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield BYTES.subarray(0, 7);
  throw new Error('the connection was lost');
}

describe('DirectoryBlobStore', () => {
  let directory: string;
  let store: DirectoryBlobStore;
  const files = async (): Promise<string[]> =>
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aviary-blobs-'));
    store = new DirectoryBlobStore(directory);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('gives back what was put, whole and in part, and shows it to nobody else on the machine', async () => {
    expect(await store.length(SHA256)).toBeUndefined();
    expect(await store.put(SHA256, inPieces(BYTES))).toBe(BYTES.length);
    expect(await store.length(SHA256)).toBe(BYTES.length);
    expect(await buffer(store.read(SHA256, 0, BYTES.length - 1))).toEqual(BYTES);
    expect(await buffer(store.read(SHA256, 7, 11))).toEqual(BYTES.subarray(7, 12));
    expect((await stat(join(directory, SHA256.slice(0, 2), SHA256))).mode & 0o777).toBe(0o600);
  });

  it('gives back what is longer than a piece, from any place on', async () => {
    const bytes = randomBytes(1_500_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await store.put(sha256, inPieces(bytes, 400_000));
    for (const [start, end] of [
      [0, bytes.length - 1],
      [524_287, 1_048_576],
      [1_499_999, 1_499_999],
    ] as const) {
      const pieces: Buffer[] = [];
      // Copied, since the memory of a piece is used for the next.
      for await (const piece of store.read(sha256, start, end)) pieces.push(Buffer.from(piece));
      expect(Buffer.concat(pieces).equals(bytes.subarray(start, end + 1))).toBe(true);
    }
  });

  it('takes the same bytes from several at once', async () => {
    const lengths = await Promise.all(Array.from({ length: 5 }, () => store.put(SHA256, inPieces(BYTES))));
    expect(new Set(lengths)).toEqual(new Set([BYTES.length]));
    expect(await files()).toEqual([SHA256]);
  });

  it.each([
    ['a byte more', Buffer.concat([BYTES, Buffer.from('.')])],
    ['a byte less', BYTES.subarray(1)],
    ['nothing', Buffer.alloc(0)],
  ])('keeps nothing of bytes with another digest: %s', async (_, bytes) => {
    await expect(store.put(SHA256, inPieces(bytes))).rejects.toThrow(BlobDigestError);
    expect(await store.length(SHA256)).toBeUndefined();
    expect(await files()).toEqual([]);
  });

  it('keeps nothing of an upload that broke off', async () => {
    await expect(store.put(SHA256, broken())).rejects.toThrow('the connection was lost');
    expect(await files()).toEqual([]);
  });

  it.each(['../outside', `../../${SHA256}`, '', SHA256.toUpperCase(), `${SHA256}/..`])(
    'takes nothing but a digest for a name: %j',
    async (name) => {
      await expect(store.put(name, inPieces(BYTES))).rejects.toThrow('64 lower-case hex digits');
      await expect(store.length(name)).rejects.toThrow('64 lower-case hex digits');
      expect(() => store.read(name, 0, 1)).toThrow('64 lower-case hex digits');
      expect(await files()).toEqual([]);
    },
  );

  it('removes what a crash left of uploads, and leaves those under way alone', async () => {
    const incoming = join(directory, 'incoming');
    await mkdir(incoming);
    await writeFile(join(incoming, 'of-last-week'), BYTES);
    await writeFile(join(incoming, 'of-just-now'), BYTES);
    const lastWeek = new Date(Date.now() - 7 * 86_400_000);
    await utimes(join(incoming, 'of-last-week'), lastWeek, lastWeek);
    await store.put(SHA256, inPieces(BYTES));
    await store.start();
    expect((await files()).sort()).toEqual([SHA256, 'of-just-now'].sort());
    await new DirectoryBlobStore(join(directory, 'not', 'yet', 'there')).start();
  });
});
