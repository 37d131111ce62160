import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../command-line/usage-error.ts';
import { type Context, contextNamed, forgetContext, keepContext, readContexts, useContext } from './contexts.ts';

const context = (user: string): Context => ({
  server: 'https://fleet.example',
  user,
  role: 'operator',
  token: `avt_${user}`,
  tokenId: null,
  expiresAt: null,
});

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-contexts-'));
  path = join(folder, 'aviary', 'contexts.json');
  vi.stubEnv('XDG_CONFIG_HOME', folder);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe('contexts', () => {
  it('are none at first', async () => {
    expect(await readContexts()).toEqual({ current: null, byName: new Map() });
  });

  it('are kept for their owner alone, as a whole, and nothing else is left', async () => {
    await keepContext('one', context('ada'));
    await keepContext('two', context('eve'));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'aviary'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, 'aviary'))).toEqual(['contexts.json']);
    const contexts = await readContexts();
    expect(contexts.current).toBe('two');
    expect(contexts.byName.get('one')).toEqual(context('ada'));
  });

  it('become private again when somebody has opened them to others', async () => {
    await mkdir(join(folder, 'aviary'));
    await writeFile(path, JSON.stringify({ formatVersion: 1, current: null, contexts: {} }), { mode: 0o644 });
    await keepContext('one', context('ada'));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('are used, and forgotten', async () => {
    await keepContext('one', context('ada'));
    await keepContext('two', context('eve'));
    expect((await useContext('one')).user).toBe('ada');
    expect((await readContexts()).current).toBe('one');
    await forgetContext('one');
    expect(await readContexts()).toEqual({ current: null, byName: new Map([['two', context('eve')]]) });
  });

  it('say which there are when one is not', async () => {
    await expect(useContext('one')).rejects.toThrow('There is no context "one". Make one with: aviary login');
    await keepContext('two', context('eve'));
    const contexts = await readContexts();
    expect(() => contextNamed(contexts, 'constructor')).toThrow('There is no context "constructor". There are: two.');
  });

  it('take no name that is none', async () => {
    await expect(keepContext('../x', context('ada'))).rejects.toThrow(UsageError);
    await expect(keepContext('__proto__', context('ada'))).rejects.toThrow('got "__proto__"');
  });

  it('are never written over when they are not understood', async () => {
    await mkdir(join(folder, 'aviary'));
    await writeFile(path, '{"formatVersion":2}');
    await expect(keepContext('one', context('ada'))).rejects.toThrow(`Expected log-ins in ${path}`);
    expect(await readFile(path, 'utf8')).toBe('{"formatVersion":2}');
  });
});
