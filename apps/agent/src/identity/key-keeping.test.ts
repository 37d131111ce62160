import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeIdentity } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import type { TpmSeal } from '../tpm/tpm.ts';
import { readAgeIdentity, writeAgeIdentity } from './age-key.ts';
import { makeKey, readCredentials, writeCredentials } from './credentials.ts';
import { plainFiles, readSeal, SEAL_FILE, sealedFiles, writeKeeping } from './key-keeping.ts';

const makeFolder = temporaryFolders();
const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const seal: TpmSeal = { version: 1, by: 'tpm', pcrs: 'sha256:7', public: 'AAAA', private: 'BBBB' };
const wrappingKey = randomBytes(32);
const sealed = sealedFiles(seal, wrappingKey);

/** Keys as a device has them, kept in a folder. */
const keep = async (keeping = sealed) => {
  const folder = await makeFolder();
  const [key, ageIdentity] = [await makeKey(), generateAgeIdentity()];
  await writeKeeping(folder, keeping);
  await writeCredentials(folder, { key, certificate }, keeping);
  await writeAgeIdentity(folder, ageIdentity, keeping);
  return { folder, key, ageIdentity };
};

describe.each([
  ['plain files', plainFiles],
  ['sealed', sealed],
])('keys that are kept as %s', (_, keeping) => {
  it('are read as they were written, and say how they are kept', async () => {
    const { folder, key, ageIdentity } = await keep(keeping);
    expect(await readCredentials(folder, keeping)).toEqual({ key, certificate });
    expect(await readAgeIdentity(folder, keeping)).toBe(ageIdentity);
    expect(await readSeal(folder)).toEqual(keeping.seal);
  });
});

describe('sealed keys', () => {
  it('open with the same wrapping key, and with no other', async () => {
    const { folder, key } = await keep();
    expect(await readCredentials(folder, sealedFiles(seal, wrappingKey))).toMatchObject({ key });
    const other = sealedFiles(seal, randomBytes(32));
    await expect(readCredentials(folder, other)).rejects.toThrow('the sealed device key is damaged, or belongs to');
  });

  it('open in their own place only', () => {
    expect(() => sealed.disclose(sealed.enclose('secret', 'age identity'), 'device key')).toThrow('is damaged');
  });

  it('are never taken for plain ones, nor plain ones for sealed', async () => {
    const { folder } = await keep();
    await expect(readCredentials(folder, plainFiles)).rejects.toThrow(`sealed, and ${SEAL_FILE} beside it is missing`);
    await expect(readAgeIdentity(folder, plainFiles)).rejects.toThrow('the age identity is sealed');
    const open = await keep(plainFiles);
    await expect(readCredentials(open.folder, sealed)).rejects.toThrow('expected the device key to be sealed');
  });

  it.each(['{', '{"version": 2}', JSON.stringify({ ...seal, pcrs: 'sha256:99' })])(
    'with a seal that is damaged (%s) say so',
    async (content) => {
      const folder = await makeFolder();
      await writeFile(join(folder, SEAL_FILE), content);
      await expect(readSeal(folder)).rejects.toThrow(`${SEAL_FILE} is damaged`);
    },
  );
});
