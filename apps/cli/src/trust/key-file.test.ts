import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSigningKey, generateSigningKey, signerOf } from '@aviary/release';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../command-line/usage-error.ts';
import { createPublisherKey, defaultKeyPath, readPublisherKey } from './publisher-key.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-key-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const passphrase = (words: string | undefined) => vi.stubEnv('AVIARY_KEY_PASSPHRASE', words);

describe('defaultKeyPath', () => {
  it('is the environment’s, else in the folder for settings', () => {
    vi.stubEnv('AVIARY_KEY', '/keys/mine.key');
    expect(defaultKeyPath()).toBe('/keys/mine.key');
    vi.stubEnv('AVIARY_KEY', undefined);
    vi.stubEnv('XDG_CONFIG_HOME', '/settings');
    expect(defaultKeyPath()).toBe('/settings/aviary/publisher.key');
    vi.stubEnv('XDG_CONFIG_HOME', undefined);
    vi.stubEnv('HOME', '/home/ana');
    expect(defaultKeyPath()).toBe('/home/ana/.config/aviary/publisher.key');
  });
});

describe('createPublisherKey', () => {
  it('keeps a key in a folder that it makes, for its owner alone', async () => {
    const path = join(directory, 'new', 'folder', 'publisher.key');
    const key = await createPublisherKey(path, false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'new', 'folder'))).mode & 0o777).toBe(0o700);
    expect(signerOf(await readPublisherKey(path)).keyId).toBe(signerOf(key).keyId);
  });

  it('protects it with a passphrase, without which it cannot be read', async () => {
    const path = join(directory, 'protected.key');
    passphrase('correct horse');
    const key = await createPublisherKey(path, true);
    expect(await readFile(path, 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    expect(signerOf(await readPublisherKey(path)).keyId).toBe(signerOf(key).keyId);
    passphrase('wrong horse');
    await expect(readPublisherKey(path)).rejects.toThrow(new RegExp(`^${path}: .*passphrase`));
  });

  it('refuses an empty passphrase, and makes nothing', async () => {
    const path = join(directory, 'empty.key');
    passphrase('');
    await expect(createPublisherKey(path, true)).rejects.toThrow('Expected a passphrase, got an empty one');
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('never overwrites a file, whatever it is', async () => {
    const path = join(directory, 'taken.key');
    await writeFile(path, 'mine');
    await expect(createPublisherKey(path, false)).rejects.toThrow(UsageError);
    expect(await readFile(path, 'utf8')).toBe('mine');
  });
});

describe('readPublisherKey', () => {
  const refusal = async (name: string, content: string | Buffer): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content);
    const error: unknown = await readPublisherKey(path).catch((reason: unknown) => reason);
    return error instanceof UsageError ? error.message : `no refusal, but ${String(error)}`;
  };

  it('says how to make a key where there is none', async () => {
    await expect(readPublisherKey(join(directory, 'none.key'))).rejects.toThrow('Make one with: aviary key init');
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
