import type { KeyObject } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  decodePublicKey,
  decodeSigningKey,
  encodeSigningKey,
  generateSigningKey,
  publicKeyPem,
  type Signer,
  SigningKeyError,
  signerOf,
} from '@aviary/release';
import { Flags } from '@oclif/core';
import { askHidden, isTerminal } from '../access/ask-secret.ts';
import { configDirectory } from '../access/config-directory.ts';
import { UsageError } from '../command-line/usage-error.ts';

/** Which file the publisher's key is in. */
export const keyFlag = {
  key: Flags.string({ description: 'file of your publisher key (AVIARY_KEY, ~/.config/aviary/publisher.key)' }),
};

/** Which file the root key is in. */
export const rootKeyFlag = {
  'root-key': Flags.string({
    description: 'file of your root key (AVIARY_ROOT_KEY, root.key beside the publisher key)',
  }),
};

/** Where the publisher's key lies. */
export const keyPathOf = (flags: { readonly key?: string | undefined }): string =>
  flags.key ?? process.env.AVIARY_KEY ?? join(configDirectory(), 'publisher.key');

/** Where the root key lies. */
export const rootKeyPathOf = (flags: {
  readonly key?: string | undefined;
  readonly 'root-key'?: string | undefined;
}): string => flags['root-key'] ?? process.env.AVIARY_ROOT_KEY ?? join(dirname(keyPathOf(flags)), 'root.key');

/** Where the public half of a key lies. */
export const publicHalfOf = (path: string): string => `${path}.pub`;

const askPassphrase = async (question: string): Promise<string> => {
  if (process.env.AVIARY_KEY_PASSPHRASE !== undefined) return process.env.AVIARY_KEY_PASSPHRASE;
  if (!isTerminal()) {
    throw new UsageError(
      'Expected a passphrase: there is no terminal to ask at. Set AVIARY_KEY_PASSPHRASE, or make a key with --no-passphrase.',
    );
  }
  return askHidden(question);
};

/** A passphrase for what is made now; undefined when there is to be none. @throws UsageError */
export const newPassphrase = async (protect: boolean): Promise<string | undefined> => {
  if (!protect) return undefined;
  const passphrase = await askPassphrase('Passphrase for the new key: ');
  if (passphrase === '')
    throw new UsageError('Expected a passphrase, got an empty one. To have none, say --no-passphrase.');
  // A mistyped passphrase would lock the key for ever.
  if ((await askPassphrase('The same passphrase again: ')) !== passphrase) {
    throw new UsageError('The two passphrases differ; no key was made.');
  }
  return passphrase;
};

const existsAlready = (path: string): UsageError =>
  new UsageError(`There is a key in ${path} already, and a key is never overwritten. Use it, or choose another file.`);

/** @throws UsageError when there is something at one of the paths */
export const refuseExisting = async (...paths: readonly string[]): Promise<void> => {
  for (const path of paths) {
    if ((await stat(path).catch(() => undefined)) !== undefined) throw existsAlready(path);
  }
};

/** Makes a key and keeps it at `path` (0600), its public half beside it. @throws UsageError when there is one already */
export const createKey = async (path: string, passphrase: string | undefined): Promise<KeyObject> => {
  await refuseExisting(path);
  const key = generateSigningKey();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(path, encodeSigningKey(key, passphrase), { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw existsAlready(path);
  }
  await writeFile(publicHalfOf(path), publicKeyPem(key), { mode: 0o644 });
  return key;
};

/** Reads a key, asking for its passphrase when it has one. @throws UsageError */
export const readKey = async (path: string): Promise<Signer> => {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`There is no key in ${path}. Make your keys with: aviary key init`);
  }
  const passphrase = pem.includes('ENCRYPTED') ? await askPassphrase(`Passphrase for ${path}: `) : undefined;
  return readable(path, () => signerOf(decodeSigningKey(pem, passphrase)));
};

/** Reads the public half of somebody's key, as PEM. @throws UsageError */
export const readPublicKey = async (path: string): Promise<string> => {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`There is no public key in ${path}. It is the file that ends with .pub beside a key.`);
  }
  return readable(path, () => publicKeyPem(decodePublicKey(pem)));
};

const readable = <T>(path: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (error instanceof SigningKeyError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
};

/** How a root is known the first time that a key signs for its fleet. */
export const fingerprintFlag = {
  'root-fingerprint': Flags.string({
    description: 'fingerprint of the first root, as whoever founded the fleet tells it',
  }),
};
