import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SealedBox } from '../state/sealed-box.ts';
import { sha256Of } from '../testing/releases.ts';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { PreparedCache } from './prepared-cache.ts';

const makeFolder = temporaryFolders();
const box = new SealedBox(randomBytes(32), 'test');
const KEY = sha256Of('engine');
const MB = 2 ** 20;

let root: string;
let cache: PreparedCache;
const at = (...path: string[]): string => join(root, ...path);
const onDisk = (key = KEY): string => at('prepared', key);

/** Puts so many bytes. @returns them */
const put = async (bytes: number, key = KEY): Promise<Buffer> => {
  const content = randomBytes(bytes);
  await writeFile(at('plain'), content);
  await cache.put(key, at('plain'));
  return content;
};

/** What opens; undefined: nothing. */
const opened = async (key = KEY): Promise<Buffer | undefined> => {
  const into = at(`opened-${Math.random()}`);
  const isThere = await cache.open(key, into);
  const content = await readFile(into).catch(() => undefined);
  expect(content !== undefined).toBe(isThere);
  return content;
};

beforeEach(async () => {
  root = await makeFolder();
  // With a little more for what sealing adds.
  cache = new PreparedCache(at('prepared'), box, { maxBytes: 8 * MB + 4096 });
  await cache.start();
});

describe('what was built on a device', () => {
  it.each([1, MB - 1, MB, MB + 1, 3 * MB + 17])('of %d bytes opens as it was', async (bytes) => {
    const content = await put(bytes);
    expect((await opened())?.equals(content)).toBe(true);
    expect((await opened())?.equals(content)).toBe(true);
  });

  it('is not there before', async () => {
    expect(await opened()).toBeUndefined();
  });

  it('lies on the disk for nobody else', async () => {
    const content = await put(MB);
    const sealed = await readFile(onDisk());
    expect(sealed.includes(content.subarray(0, 64))).toBe(false);
    expect((await stat(onDisk())).mode & 0o777).toBe(0o600);
    const other = new PreparedCache(at('prepared'), new SealedBox(randomBytes(32), 'test'), { maxBytes: MB });
    expect(await other.open(KEY, at('other'))).toBe(false);
  });

  it('does not open under another name', async () => {
    await put(MB);
    const other = sha256Of('other');
    await writeFile(onDisk(other), await readFile(onDisk()));
    expect(await opened(other)).toBeUndefined();
  });

  it.each<[string, (sealed: Buffer) => Promise<void>]>([
    ['was cut off in a chunk', (sealed) => truncate(onDisk(), sealed.length - 10)],
    ['was cut off between two chunks', () => truncate(onDisk(), 4 + MB + 28)],
    ['is empty', () => truncate(onDisk(), 0)],
    ['has more behind it', () => appendFile(onDisk(), Buffer.alloc(40))],
    ['says a length that nothing has', (sealed) => writeFile(onDisk(), Buffer.concat([Buffer.alloc(4, 0xff), sealed]))],
    [
      'has a byte that is another',
      async (sealed) => {
        sealed[sealed.length >> 1] = (sealed[sealed.length >> 1] as number) ^ 1;
        await writeFile(onDisk(), sealed);
      },
    ],
    [
      'has its chunks in another order',
      (sealed) => {
        const one = 4 + MB + 28;
        return writeFile(
          onDisk(),
          Buffer.concat([sealed.subarray(one, 2 * one), sealed.subarray(0, one), sealed.subarray(2 * one)]),
        );
      },
    ],
  ])('does not open, and goes, where it %s', async (_, damage) => {
    await put(3 * MB);
    await damage(await readFile(onDisk()));
    expect(await opened()).toBeUndefined();
    expect(await readdir(at('prepared'))).toEqual([]);
    const again = await put(3 * MB);
    expect((await opened())?.equals(again)).toBe(true);
  });

  it('loses what a power cut left unfinished, at the next start', async () => {
    const content = await put(10);
    await writeFile(`${onDisk(sha256Of('half'))}.new`, 'half');
    await cache.start();
    expect(await readdir(at('prepared'))).toEqual([KEY]);
    expect((await opened())?.equals(content)).toBe(true);
  });

  it('makes room for the newest by what was not used for longest', async () => {
    const keys = ['a', 'b', 'c'].map(sha256Of);
    for (const [i, key] of keys.entries()) {
      await put(2 * MB, key);
      await utimes(onDisk(key), i, i);
    }
    // Used now.
    await opened(keys[0]);
    await put(4 * MB, KEY);
    expect((await readdir(at('prepared'))).sort()).toEqual([keys[0], keys[2], KEY].sort());
    await put(20 * MB, KEY);
    expect(await readdir(at('prepared'))).toEqual([KEY]);
  });

  it('is not kept where the disk does not take it', async () => {
    await mkdir(`${onDisk()}.new`, { recursive: true });
    await expect(put(10)).rejects.toThrow();
    expect(await opened()).toBeUndefined();
  });
});
