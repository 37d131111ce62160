import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Profile, parseProfile } from '@aviary/hardware';

const DIRECTORY = fileURLToPath(new URL('../../../../firmware-profiles', import.meta.url));

/** The hardware classes that ship with Aviary. */
export const loadProfiles = async (): Promise<Profile[]> => {
  const names = (await readdir(DIRECTORY)).filter((name) => name.endsWith('.json'));
  return Promise.all(
    names.map(async (name) => parseProfile(JSON.parse(await readFile(join(DIRECTORY, name), 'utf8')))),
  );
};
