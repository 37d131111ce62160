import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DeviceFacts, matchProfile, type Profile, parseProfile } from '@aviary/hardware';

const DIRECTORY = fileURLToPath(new URL('../../../../firmware-profiles', import.meta.url));

/** The firmware profile that this board is, found here and told by nobody; null when none fits. */
export const ownProfile = async (facts: DeviceFacts): Promise<Profile | null> => {
  const names = (await readdir(DIRECTORY)).filter((name) => name.endsWith('.json'));
  const profiles = await Promise.all(
    names.map(async (name) => parseProfile(JSON.parse(await readFile(join(DIRECTORY, name), 'utf8')))),
  );
  return matchProfile(facts, profiles).profile;
};
