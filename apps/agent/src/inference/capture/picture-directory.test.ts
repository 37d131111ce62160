import { mkdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TemporaryFolders } from '../testing/light-release.ts';
import { PictureDirectory, parseLabels } from './picture-directory.ts';

const folders = new TemporaryFolders();
afterAll(() => folders.remove());

function directoryOf(...files: string[]): string {
  const folder = folders.make();
  for (const file of files) writeFileSync(join(folder, file), file);
  return folder;
}

async function names(directory: PictureDirectory, count: number): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const look = await directory.next();
    seen.push(look.kind === 'nothing' ? look.kind : look.file);
  }
  return seen;
}

describe('PictureDirectory', () => {
  it('goes through the pictures by name, round and round, and leaves other files out', async () => {
    const directory = new PictureDirectory(directoryOf('b.jpg', 'a.png', 'notes.txt', '.hidden.png', 'c.PNG'));
    expect(await names(directory, 4)).toEqual(['a.png', 'b.jpg', 'c.PNG', 'a.png']);
  });

  it('gives bytes and, from labels.csv, the truth', async () => {
    const folder = directoryOf('a.png', 'b.png');
    writeFileSync(join(folder, 'labels.csv'), 'file,label\na.png,7\n');
    const directory = new PictureDirectory(folder);
    expect(await directory.next()).toEqual({ kind: 'picture', file: 'a.png', bytes: Buffer.from('a.png'), truth: '7' });
    expect(await directory.next()).toEqual({ kind: 'picture', file: 'b.png', bytes: Buffer.from('b.png') });
  });

  it('finds new pictures and misses removed ones without losing its place', async () => {
    const folder = directoryOf('a.png', 'c.png', 'e.png');
    const directory = new PictureDirectory(folder);
    expect(await names(directory, 2)).toEqual(['a.png', 'c.png']);
    unlinkSync(join(folder, 'c.png'));
    writeFileSync(join(folder, 'f.png'), 'f');
    expect(await names(directory, 3)).toEqual(['e.png', 'f.png', 'a.png']);
  });

  it('says what is wrong with a picture that cannot be read, and goes on', async () => {
    const folder = directoryOf('b.png');
    mkdirSync(join(folder, 'a.png'));
    const directory = new PictureDirectory(folder);
    expect(await directory.next()).toEqual({
      kind: 'unreadable',
      file: 'a.png',
      words: 'a.png cannot be read (EISDIR)',
    });
    expect(await names(directory, 1)).toEqual(['b.png']);
  });

  it('says that the directory is missing or empty until it is not', async () => {
    const folder = directoryOf();
    rmSync(folder, { recursive: true });
    const directory = new PictureDirectory(folder);
    expect(await directory.next()).toMatchObject({
      kind: 'nothing',
      words: expect.stringContaining('cannot be read (ENOENT)'),
    });
    mkdirSync(folder);
    expect(await directory.next()).toMatchObject({
      kind: 'nothing',
      words: expect.stringContaining('has no pictures'),
    });
    writeFileSync(join(folder, 'a.png'), 'a');
    expect(await names(directory, 1)).toEqual(['a.png']);
  });
});

describe('parseLabels', () => {
  it('reads file,label with and without a header, with other line ends, and commas in names', () => {
    expect([...parseLabels('File,Label\r\na.png,3\r\n\r\nb,1.png, four \nnonsense\n')]).toEqual([
      ['a.png', '3'],
      ['b,1.png', 'four'],
    ]);
  });
});
