import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { Tpm } from '../tpm/tpm.ts';
import { TpmTools } from '../tpm/tpm-tools.ts';
import { prepareKeys } from './prepared-keys.ts';

const makeFolder = temporaryFolders();
const sealing = { pcrs: null };

describe('keys that are prepared', () => {
  it('are the same the next time, in files of mode 0600', async () => {
    const folder = await makeFolder();
    const keys = await prepareKeys(folder);
    expect(await prepareKeys(folder)).toEqual(keys);
    for (const name of await readdir(join(folder, 'joining'))) {
      expect((await stat(join(folder, 'joining', name))).mode & 0o777, name).toBe(0o600);
    }
  });

  it('in files are not passed off as sealed', async () => {
    const folder = await makeFolder();
    await prepareKeys(folder);
    await expect(prepareKeys(folder, { sealing })).rejects.toMatchObject({
      code: 'keys-not-sealed',
      message: expect.stringContaining(`lie in ${join(folder, 'joining')}, not sealed`),
    });
  });

  it('are not there when they cannot be sealed', async () => {
    const folder = await makeFolder();
    const tpm = new Tpm(new TpmTools(`device:${join(folder, 'tpmrm0')}`));
    await expect(prepareKeys(folder, { tpm, sealing })).rejects.toMatchObject({ code: 'tpm-unavailable' });
    expect(await readdir(folder)).toEqual([]);
  });
});
