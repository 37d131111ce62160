import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { bytesOnDisk, readJson, removeQuietly, SpoolDirectory } from './spool-files.ts';

const makeFolder = temporaryFolders();

/** The next write under this name meets a full disk: a real device that has no room for anything. */
const noRoomFor = (folder: string, name: string): Promise<void> => symlink('/dev/full', join(folder, `${name}.new`));

const opened = async () => {
  const folder = join(await makeFolder(), 'spool');
  const files = new SpoolDirectory(folder);
  await files.open();
  return { folder, files };
};

describe("the spool's folder", () => {
  it('holds whole files, listed by name with their lengths', async () => {
    const { folder, files } = await opened();
    await files.write('b', 'second');
    await files.write('a', 'é');
    await files.write('a', 'é!');
    expect(await files.list()).toEqual([
      { name: 'a', length: 3 },
      { name: 'b', length: 6 },
    ]);
    expect(await files.read('a')).toBe('é!');
    expect(await files.read('missing')).toBeUndefined();
    await files.remove('a');
    await files.remove('a');
    expect(await readdir(folder)).toEqual(['b', 'reserve']);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'b'))).mode & 0o777).toBe(0o600);
  });

  it('throws unfinished files away when it is opened', async () => {
    const { folder, files } = await opened();
    await writeFile(join(folder, 'a.new'), 'half');
    await files.open();
    expect(await readdir(folder)).toEqual(['reserve']);
  });

  it('leaves what was there, and nothing else, when there is no room', async () => {
    const { folder, files } = await opened();
    await files.write('a', 'old');
    await noRoomFor(folder, 'a');
    await expect(files.write('a', 'new')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await files.read('a')).toBe('old');
    expect(await readdir(folder)).toEqual(['a', 'reserve']);
  });

  it('gives its reserve to what is urgent, and sets it aside again before anything else', async () => {
    const { folder, files } = await opened();
    await noRoomFor(folder, 'a');
    await files.write('a', 'urgent', true);
    expect(await readdir(folder)).toEqual(['a']);
    await noRoomFor(folder, 'reserve');
    await expect(files.write('b', 'not urgent')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await readdir(folder)).toEqual(['a']);
    await files.write('b', 'there is room again');
    expect(await readdir(folder)).toEqual(['a', 'b', 'reserve']);
    expect((await stat(join(folder, 'reserve'))).blocks * 512).toBeGreaterThanOrEqual(512 * 1024);
  });

  it('opens on a disk that has no room for its reserve', async () => {
    const folder = await makeFolder();
    // A folder in its place cannot be replaced by a file.
    await mkdir(join(folder, 'reserve'));
    const files = new SpoolDirectory(folder);
    await files.open();
    expect(await files.list()).toEqual([]);
  });

  it('does not use the reserve where the disk has another trouble', async () => {
    const { folder, files } = await opened();
    await mkdir(join(folder, 'a'));
    await expect(files.write('a', 'urgent', true)).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(folder)).toEqual(['a', 'reserve']);
  });

  it('reads JSON that is there and whole, and removes without complaint', async () => {
    const { folder, files } = await opened();
    await files.write('a', '{"b":1}');
    await files.write('c', '{"b":');
    expect(await readJson(files, 'a')).toEqual({ b: 1 });
    expect(await readJson(files, 'c')).toBeUndefined();
    expect(await readJson(files, 'd')).toBeUndefined();
    await mkdir(join(folder, 'e'));
    await removeQuietly(files, 'e');
    expect(await readdir(folder)).toContain('e');
  });
});

it('a small file takes a block', () => {
  expect([0, 1, 4096, 4097].map(bytesOnDisk)).toEqual([0, 4096, 4096, 8192]);
});
