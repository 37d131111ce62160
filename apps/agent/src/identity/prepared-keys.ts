import { createHash, createPublicKey } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateAgeIdentity } from '@aviary/release';
import { syncDirectory, writeDurably } from '../state/durable-file.ts';
import { Tpm } from '../tpm/tpm.ts';
import { SealLostError } from '../tpm/tpm-error.ts';
import { readAgeIdentity, writeAgeIdentity } from './age-key.ts';
import { makeKey } from './credentials.ts';
import { type KeyKeeping, makeKeeping, plainFiles, readKeeping, writeKeeping } from './key-keeping.ts';

const FOLDER = 'joining';
const KEY_FILE = 'device.key';

/** The keys of a board before it is a device. */
export interface BoardKeys {
  /** PKCS#8 in PEM. */
  readonly key: string;
  /** `AGE-SECRET-KEY-1…` */
  readonly ageIdentity: string;
  readonly keeping: KeyKeeping;
}

/** How keys are to be kept. */
export interface KeyOptions {
  readonly tpm?: Tpm;
  /** Sealed by the TPM, to PCRs such as `sha256:7` or none; absent: as those that are there, or in files. */
  readonly sealing?: { readonly pcrs: string | null } | undefined;
}

/** Keys are to be sealed that have lain in plain files already. */
export class KeysNotSealedError extends Error {
  readonly code = 'keys-not-sealed';
}

/** @throws PcrSelectionError; TpmUnavailableError */
export const makeBoardKeys = async ({ tpm = new Tpm(), sealing }: KeyOptions): Promise<BoardKeys> => ({
  key: await makeKey(),
  ageIdentity: generateAgeIdentity(),
  keeping: sealing === undefined ? plainFiles : await makeKeeping(tpm, sealing.pcrs),
});

/**
 * The keys that were made here for joining; undefined when there are none.
 * @throws SealLostError; TpmUnavailableError; what the disk throws
 */
export const readPreparedKeys = async (stateDirectory: string, tpm: Tpm): Promise<BoardKeys | undefined> => {
  const folder = join(stateDirectory, FOLDER);
  try {
    const keeping = await readKeeping(folder, tpm);
    const key = keeping.disclose(await readFile(join(folder, KEY_FILE), 'utf8'), 'device key');
    return { key, ageIdentity: await readAgeIdentity(folder, keeping), keeping };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof SealLostError)) throw error;
    const words = `The keys of this board in ${folder} are sealed, and ${error.message}. Remove that folder, and make another key: aviary-agent key --seal tpm`;
    throw new SealLostError(error.loss, words);
  }
};

/**
 * The keys with which this board joins: those that lie here already, or new ones, which then do.
 * @throws KeysNotSealedError; as `makeBoardKeys` and `readPreparedKeys`
 */
export const prepareKeys = async (stateDirectory: string, options: KeyOptions = {}): Promise<BoardKeys> => {
  const folder = join(stateDirectory, FOLDER);
  const prepared = await readPreparedKeys(stateDirectory, options.tpm ?? new Tpm());
  if (prepared !== undefined) {
    if (options.sealing === undefined || prepared.keeping.seal !== undefined) return prepared;
    const words = `The keys of this board lie in ${folder}, not sealed. To have some that were sealed from the beginning, remove that folder, and let the new key in.`;
    throw new KeysNotSealedError(words);
  }
  const keys = await makeBoardKeys(options);
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeKeeping(draft, keys.keeping);
  await writeDurably(join(draft, KEY_FILE), keys.keeping.enclose(keys.key, 'device key'));
  await writeAgeIdentity(draft, keys.ageIdentity, keys.keeping);
  await rename(draft, folder);
  await syncDirectory(stateDirectory);
  return keys;
};

/** They are the device's now. */
export const dropPreparedKeys = async (stateDirectory: string): Promise<void> => {
  for (const name of [FOLDER, `${FOLDER}.new`]) await rm(join(stateDirectory, name), { recursive: true, force: true });
};

/** The public half, in PEM. */
export const publicKeyOf = (key: string): string =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

/** SHA-256 over the SubjectPublicKeyInfo, hex: what a person compares. */
export const fingerprintOf = (key: string): string =>
  createHash('sha256')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest('hex');
