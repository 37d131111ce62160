import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runKeyCommand } from './key-command.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

describe('runKeyCommand', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aviary-command-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const script = async (text: string): Promise<string> => {
    const path = join(directory, 'give-key');
    await writeFile(path, `#!/bin/sh\n${text}\n`);
    await chmod(path, 0o700);
    return path;
  };
  const run = (command: string, deadlineMs?: number) => runKeyCommand(command, 'SETTING', deadlineMs);
  const refusal = async (command: string, deadlineMs?: number): Promise<string> => {
    const error: unknown = await run(command, deadlineMs).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'master-key' });
    return (error as Error).message;
  };

  it('gives back what the program prints, with the arguments as a shell would split them', async () => {
    const path = await script('printf "%s|" "$@"');
    expect(await run(`${path} one 'two words' "three  words" four\\ words "" --a='b c'`)).toBe(
      'one|two words|three  words|four words||--a=b c|',
    );
  });

  it.each(['|', '>', '&&', ';', '$HOME', '*.key', '`id`', '$(id)'])(
    'refuses %s, which only a shell understands',
    async (special) => {
      const path = await script(`echo ran > ${directory}/ran; echo ${KEY}`);
      const words = await refusal(`${path} ${special} x`);
      expect(words).toContain('which only a shell understands');
      await expect(readFile(join(directory, 'ran'))).rejects.toThrow('ENOENT');
      if (special === '`id`' || special === '$(id)') return;
      expect(await run(`${await script('printf %s "$1"')} '${special}'`)).toBe(special);
    },
  );

  it('says why it failed, without what could be a key, and without its arguments', async () => {
    const path = await script(`echo ${KEY}; echo "AccessDenied for ${KEY}" >&2; exit 3`);
    const words = await refusal(`${path} --token s3cret`);
    expect(words).toContain('of SETTING');
    expect(words).toContain('exit code 3');
    expect(words).toContain('AccessDenied for […]');
    expect(words).not.toContain(KEY.slice(0, 20));
    expect(words).not.toContain('s3cret');
  });

  it('ends after a time, with all that it has started', async () => {
    const path = await script(`sleep 300 & echo $! > ${directory}/pid; wait`);
    expect(await refusal(path, 700)).toContain('no key within 0.7 s');
    const pid = Number(await readFile(join(directory, 'pid'), 'utf8'));
    await expect
      .poll(async () => (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone')).replace(/^.*\) /, '')[0])
      .toMatch(/[gZ]/);
  });

  it('is ended when it prints without end, and when a child of it keeps the output open', async () => {
    expect(await refusal(await script('yes'))).toContain('far more than a key');
    expect(await refusal(await script(`echo ${KEY}; sleep 300 &`), 700)).toContain('no key within');
  });

  it.each([
    ['', 'Expected a command'],
    ['/nowhere/at/all', 'there is no such program'],
    ['/etc', 'EACCES'],
  ])('refuses %j', async (command, words) => {
    expect(await refusal(command)).toContain(words);
  });
});
