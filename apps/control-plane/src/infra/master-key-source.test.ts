import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateMasterKey } from './master-key.ts';
import { findMasterKeySource } from './master-key-source.ts';

describe('findMasterKeySource', () => {
  const key = generateMasterKey();
  const text = key.bytes.toString('base64');
  let data: string;
  let file: string;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'aviary-source-'));
    file = join(data, 'keys', 'master.key');
  });
  afterEach(() => rm(data, { recursive: true, force: true }));

  const putFile = async (content: string) => {
    await mkdir(join(data, 'keys'));
    await writeFile(file, content);
  };

  it('is a file, made once and only when it may be', async () => {
    const source = await findMasterKeySource({ data });
    await expect(source.read()).rejects.toMatchObject({ code: 'master-key', message: expect.stringContaining(file) });
    const made = await source.readOrMake();
    expect((await source.readOrMake()).id).toBe(made.id);
    expect((await source.read()).id).toBe(made.id);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toBe(made.bytes.toString('hex'));
  });

  it('is the environment, or a command, and then makes no file', async () => {
    const keyFile = join(data, 'elsewhere.key');
    await writeFile(keyFile, text);
    for (const settings of [{ masterKey: text }, { masterKeyCommand: `cat '${keyFile}'` }]) {
      const source = await findMasterKeySource({ data, ...settings });
      expect((await source.read()).id).toBe(key.id);
      expect((await source.readOrMake()).id).toBe(key.id);
    }
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('is one: two are refused with the names of both', async () => {
    const two = findMasterKeySource({ data, masterKey: text, masterKeyCommand: 'cat' });
    await expect(two).rejects.toThrow('AVIARY_MASTER_KEY and AVIARY_MASTER_KEY_COMMAND');
    await putFile(text);
    await expect(findMasterKeySource({ data, masterKey: text })).rejects.toThrow(
      `AVIARY_MASTER_KEY and the file ${file}`,
    );
    const command = findMasterKeySource({ data, masterKeyCommand: 'cat' });
    await expect(command).rejects.toThrow(`AVIARY_MASTER_KEY_COMMAND and the file ${file}`);
  });

  it.each([
    ['a file', {}, 'master.key'],
    ['the environment', { masterKey: 'hunter2' }, 'in AVIARY_MASTER_KEY,'],
    ['a command', { masterKeyCommand: 'echo hunter2' }, 'of the command of AVIARY_MASTER_KEY_COMMAND'],
  ])('says where a key is wrong that comes from %s, and does not repeat it', async (_, settings, where) => {
    if (Object.keys(settings).length === 0) await putFile('hunter2');
    const reading = (await findMasterKeySource({ data, ...settings })).read();
    const { message } = (await reading.catch((error: unknown) => error)) as Error;
    expect(message).toContain(where);
    expect(message).not.toContain('hunter2');
  });
});
