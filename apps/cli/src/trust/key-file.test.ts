import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSigningKey, generateSigningKey, signerOf } from '@aviary/release';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../command-line/usage-error.ts';
import {
  createKey,
  keyPathOf,
  newPassphrase,
  publicHalfOf,
  readKey,
  readPublicKey,
  rootKeyPathOf,
} from './key-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-key-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const passphrase = (words: string | undefined) => vi.stubEnv('AVIARY_KEY_PASSPHRASE', words);

describe('where keys lie', () => {
  it('is what was said, else the environment’s, else the folder for settings; a root key beside the other', () => {
    vi.stubEnv('AVIARY_KEY', '/keys/mine.key');
    expect(keyPathOf({})).toBe('/keys/mine.key');
    vi.stubEnv('AVIARY_KEY', undefined);
    vi.stubEnv('XDG_CONFIG_HOME', '/settings');
    expect(keyPathOf({})).toBe('/settings/aviary/publisher.key');
    vi.stubEnv('XDG_CONFIG_HOME', undefined);
    vi.stubEnv('HOME', '/home/ana');
    expect(keyPathOf({})).toBe('/home/ana/.config/aviary/publisher.key');
    expect(keyPathOf({ key: './mine.key' })).toBe('./mine.key');
    expect(rootKeyPathOf({ key: '/keys/mine.key' })).toBe('/keys/root.key');
    expect(rootKeyPathOf({ key: '/keys/mine.key', 'root-key': '/stick/root.key' })).toBe('/stick/root.key');
  });
});

describe('createKey', () => {
  it('keeps a key in a folder that it makes, for its owner alone', async () => {
    const path = join(directory, 'new', 'folder', 'publisher.key');
    const key = await createKey(path, undefined);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'new', 'folder'))).mode & 0o777).toBe(0o700);
    expect((await readKey(path)).keyId).toBe(signerOf(key).keyId);
    expect(await readPublicKey(publicHalfOf(path))).toBe(signerOf(key).publicKeyPem);
    await expect(readPublicKey(path)).rejects.toThrow(`${path}: expected a public key`);
  });

  it('protects it with a passphrase, without which it cannot be read', async () => {
    const path = join(directory, 'protected.key');
    passphrase('correct horse');
    const key = await createKey(path, await newPassphrase(true));
    expect(await readFile(path, 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    expect((await readKey(path)).keyId).toBe(signerOf(key).keyId);
    passphrase('wrong horse');
    await expect(readKey(path)).rejects.toThrow(new RegExp(`^${path}: .*passphrase`));
  });

  it('refuses an empty passphrase, and makes nothing', async () => {
    const path = join(directory, 'empty.key');
    passphrase('');
    await expect(newPassphrase(true)).rejects.toThrow('Expected a passphrase, got an empty one');
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('never overwrites a file, whatever it is', async () => {
    const path = join(directory, 'taken.key');
    await writeFile(path, 'mine');
    await expect(createKey(path, undefined)).rejects.toThrow(UsageError);
    expect(await readFile(path, 'utf8')).toBe('mine');
  });
});

describe('readKey', () => {
  const refusal = async (name: string, content: string | Buffer): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content);
    const error: unknown = await readKey(path).catch((reason: unknown) => reason);
    return error instanceof UsageError ? error.message : `no refusal, but ${String(error)}`;
  };

  it('says how to make a key where there is none', async () => {
    await expect(readKey(join(directory, 'none.key'))).rejects.toThrow('Make your keys with: aviary key init');
  });

  it.each([
    ['an empty file', ''],
    ['a picture', Buffer.from([0x89, 0x50, 0x4e, 0x47])],
    ['a public key', signerOf(generateSigningKey()).publicKeyPem],
    ['half a key', encodeSigningKey(generateSigningKey()).slice(0, 80)],
  ])('names the file when it holds %s', async (what, content) => {
    const name = `${what.replaceAll(' ', '-')}.key`;
    expect(await refusal(name, content)).toMatch(new RegExp(`^${join(directory, name)}: expected`));
  });
});
