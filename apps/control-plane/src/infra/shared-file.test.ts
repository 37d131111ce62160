import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOrMakeFile } from './shared-file.ts';

describe('a secret file that processes share', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aviary-secrets-'));
  });
  afterEach(async () => {
    await chmod(directory, 0o700);
    await rm(directory, { recursive: true, force: true });
  });

  it('is made once, readable by its owner only, with nothing left beside it', async () => {
    const path = join(directory, 'keys', 'some.key');
    expect(await readOrMakeFile(path, () => 'made')).toBe('made');
    expect(await readOrMakeFile(path, () => 'made again')).toBe('made');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'keys'))).mode & 0o066).toBe(0);
    expect(await readdir(join(directory, 'keys'))).toEqual(['some.key']);
  });

  it('is the same for all who start together, also where they have the same process id', async () => {
    const path = join(directory, 'some.key');
    const read = await Promise.all(Array.from({ length: 20 }, (_, index) => readOrMakeFile(path, () => `by ${index}`)));
    expect(new Set(read).size).toBe(1);
    expect(await readFile(path, 'utf8')).toBe(read[0]);
    expect(await readdir(directory)).toEqual(['some.key']);
  });

  it('is not made again where it is there, so that its folder may be read-only', async () => {
    const path = join(directory, 'some.key');
    await writeFile(path, 'brought by an operator\n');
    let made = 0;
    const make = () => `${++made}`;
    expect(await readOrMakeFile(path, make)).toBe('brought by an operator');
    expect(made).toBe(0);
  });
});
