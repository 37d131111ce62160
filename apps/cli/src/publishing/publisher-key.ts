import type { KeyObject } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { decodeSigningKey, encodeSigningKey, generateSigningKey, SigningKeyError } from '@aviary/release';
import { askHidden, isTerminal } from '../access/ask-secret.ts';
import { configDirectory } from '../access/config-directory.ts';
import { UsageError } from '../command-line/usage-error.ts';

/** Where a publisher's key lies unless `--key` or AVIARY_KEY says otherwise. */
export const defaultKeyPath = (): string => process.env.AVIARY_KEY ?? join(configDirectory(), 'publisher.key');

const askPassphrase = async (question: string): Promise<string> => {
  if (process.env.AVIARY_KEY_PASSPHRASE !== undefined) return process.env.AVIARY_KEY_PASSPHRASE;
  if (!isTerminal()) {
    throw new UsageError(
      'Expected a passphrase: there is no terminal to ask at. Set AVIARY_KEY_PASSPHRASE, or make a key with --no-passphrase.',
    );
  }
  return askHidden(question);
};

const existsAlready = (path: string): UsageError =>
  new UsageError(
    `There is a key in ${path} already, and a key is never overwritten. Use it, or choose another file with --key.`,
  );

const refuseExisting = async (path: string): Promise<void> => {
  if ((await stat(path).catch(() => undefined)) !== undefined) throw existsAlready(path);
};

/** Makes a key and keeps it at `path` (0600). @throws UsageError when there is one already */
export const createPublisherKey = async (path: string, protect: boolean): Promise<KeyObject> => {
  await refuseExisting(path);
  const passphrase = protect ? await askPassphrase('Passphrase for the new key: ') : undefined;
  if (passphrase === '')
    throw new UsageError('Expected a passphrase, got an empty one. To have none, say --no-passphrase.');
  // A mistyped passphrase would lock the key for ever.
  if (protect && (await askPassphrase('The same passphrase again: ')) !== passphrase) {
    throw new UsageError('The two passphrases differ; no key was made.');
  }
  const key = generateSigningKey();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(path, encodeSigningKey(key, passphrase), { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw existsAlready(path);
  }
  return key;
};

/** Reads a key, asking for its passphrase when it has one. @throws UsageError */
export const readPublisherKey = async (path: string): Promise<KeyObject> => {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`There is no publisher key in ${path}. Make one with: aviary key init`);
  }
  const passphrase = pem.includes('ENCRYPTED') ? await askPassphrase(`Passphrase for ${path}: `) : undefined;
  try {
    return decodeSigningKey(pem, passphrase);
  } catch (error) {
    if (error instanceof SigningKeyError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
};
