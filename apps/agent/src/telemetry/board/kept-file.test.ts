import { readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolders } from '../../testing/temporary-folder.ts';
import { KeptFile } from './kept-file.ts';

const makeFolder = temporaryFolders();
const kept: KeptFile[] = [];
afterEach(() => {
  for (const file of kept.splice(0)) file.close();
});

const keep = (path: string): KeptFile => {
  const file = new KeptFile(path);
  kept.push(file);
  return file;
};

/** How many descriptors of this process are of a path. */
const openOf = (path: string): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;

describe('a kept file', () => {
  it('says what it says now, through one descriptor', async () => {
    const path = join(await makeFolder(), 'temp');
    writeFileSync(path, '48199\n');
    const file = keep(path);
    expect(file.number()).toBe(48_199);
    writeFileSync(path, '50\n');
    expect(file.number()).toBe(50);
    expect(file.text()).toBe('50');
    expect(openOf(path)).toBe(1);
    file.close();
    expect(openOf(path)).toBe(0);
  });

  it('says nothing while it is not there, and something once it is', async () => {
    const path = join(await makeFolder(), 'load');
    const file = keep(path);
    expect(file.text()).toBeUndefined();
    writeFileSync(path, '\n');
    expect(file.number()).toBeUndefined();
    writeFileSync(path, 'none\n');
    expect(file.number()).toBeUndefined();
    writeFileSync(path, '250\n');
    expect(file.number()).toBe(250);
  });

  it('is opened again after it could not be read', async () => {
    const path = await makeFolder();
    // A folder opens and does not read, as the file of a device that was plugged out.
    const file = keep(path);
    expect(file.text()).toBeUndefined();
    rmSync(path, { recursive: true });
    writeFileSync(path, '7\n');
    expect(file.number()).toBe(7);
  });
});
