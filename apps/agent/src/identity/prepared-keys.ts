import { createHash, createPublicKey } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeIdentity } from '@aviary/release';
import { syncDirectory, writeDurably } from '../state/durable-file.ts';
import { makeKey } from './credentials.ts';

const FOLDER = 'joining';

/** The keys of a board before it is a device. */
export interface BoardKeys {
  /** PKCS#8 in PEM. */
  readonly key: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly ageIdentity: string;
}

export const makeBoardKeys = async (): Promise<BoardKeys> => ({
  key: await makeKey(),
  ageIdentity: generateAgeIdentity(),
});

/** The keys that were made here for joining; undefined when there are none. */
export const readPreparedKeys = async (stateDirectory: string): Promise<BoardKeys | undefined> => {
  const read = (name: string) => readFile(join(stateDirectory, FOLDER, name), 'utf8');
  try {
    const [key, ageIdentity] = await Promise.all([read('device.key'), read('age.key')]);
    return { key, ageIdentity: ageIdentity.trim() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** The keys with which this board joins: those that lie here already, or new ones, which then do. */
export const prepareKeys = async (stateDirectory: string): Promise<BoardKeys> => {
  const prepared = await readPreparedKeys(stateDirectory);
  if (prepared !== undefined) return prepared;
  const keys = await makeBoardKeys();
  const folder = join(stateDirectory, FOLDER);
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeDurably(join(draft, 'device.key'), keys.key);
  await writeDurably(join(draft, 'age.key'), `${keys.ageIdentity}\n`);
  await rename(draft, folder);
  await syncDirectory(stateDirectory);
  return keys;
};

/** They are the device's now. */
export const dropPreparedKeys = (stateDirectory: string): Promise<void> =>
  rm(join(stateDirectory, FOLDER), { recursive: true, force: true });

/** The public half, in PEM. */
export const publicKeyOf = (key: string): string =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

/** SHA-256 over the SubjectPublicKeyInfo, hex: what a person compares. */
export const fingerprintOf = (key: string): string =>
  createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('hex');
