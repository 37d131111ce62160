import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { isInMemory, openMemoryStorage } from './memory-storage.ts';

const makeFolder = temporaryFolders();

describe('the storage for opened models', () => {
  it('is private to the device, and empty, whatever an earlier run left', async () => {
    const root = await makeFolder();
    const folder = await openMemoryStorage('d-one', root);
    expect(folder).toBe(join(root, 'aviary-d-one'));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    await mkdir(join(folder, 'left'));
    await writeFile(join(folder, 'left', 'model.onnx'), 'secret');
    await openMemoryStorage('d-two', root);
    expect(await readdir(folder)).toEqual(['left']);
    expect(await readdir(await openMemoryStorage('d-one', root))).toEqual([]);
  });

  it('is never on a disk that nobody named', async () => {
    // Of the kernel, and neither a disk nor memory for files.
    const candidates = ['/proc', undefined, join(await makeFolder(), 'missing')];
    await expect(openMemoryStorage('d-one', undefined, candidates)).rejects.toMatchObject({
      code: 'memory-storage-missing',
      message: expect.stringContaining('--plaintext-dir DIR'),
    });
  });

  it('knows what is gone with the power', async () => {
    expect(await isInMemory('/dev/shm')).toBe(true);
    expect(await isInMemory('/proc')).toBe(false);
    expect(await isInMemory('/nowhere')).toBe(false);
  });
});
