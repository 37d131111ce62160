import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { LogFile } from './log-file.ts';
import { temporaryFolders } from './testing/temporary-folder.ts';

const makeFolder = temporaryFolders();

const prepare = async (change: { maxBytes?: number; kept?: number } = {}) => {
  const folder = await makeFolder();
  const path = join(folder, 'log', 'agent.log');
  let now = 0;
  const open = () => new LogFile({ path, maxBytes: 100, kept: 2, ...change }, () => now);
  const pass = (ms: number): void => {
    now += ms;
  };
  return { folder, path, open, pass };
};

const line = (text: string): string => `${text.padEnd(49, '.')}\n`;
const begins = async (path: string): Promise<string[]> =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((one) => one.replace(/\.+$/, ''));

describe('a log in files', () => {
  it('is put aside when it is large, and the oldest is let go', async () => {
    const { path, open } = await prepare();
    const log = open();
    for (let i = 1; i <= 9; i += 1) log.write(line(String(i)));
    expect(await begins(path)).toEqual(['9']);
    expect(await begins(`${path}.1`)).toEqual(['7', '8']);
    expect(await begins(`${path}.2`)).toEqual(['5', '6']);
    expect(await readdir(join(path, '..'))).toHaveLength(3);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('goes on where an earlier run stopped', async () => {
    const { path, open } = await prepare();
    open().write(line('1'));
    const log = open();
    log.write(line('2'));
    log.write(line('3'));
    expect(await begins(path)).toEqual(['3']);
    expect(await begins(`${path}.1`)).toEqual(['1', '2']);
  });

  it('is there anew when somebody has taken the ones that were put aside', async () => {
    const { path, open } = await prepare();
    const log = open();
    for (let i = 1; i <= 3; i += 1) log.write(line(String(i)));
    rmSync(`${path}.1`);
    for (let i = 4; i <= 5; i += 1) log.write(line(String(i)));
    expect(await begins(`${path}.1`)).toEqual(['3', '4']);
  });

  it('lets lines go while the disk is full, tries again after a while, and says how many they were', async () => {
    const { path, open, pass } = await prepare();
    const log = open();
    log.write(line('1'));
    log.close();
    renameSync(path, `${path}.mine`);
    symlinkSync('/dev/full', path);
    for (let i = 2; i <= 4; i += 1) log.write(line(String(i)));
    rmSync(path);
    // Not at once: a full disk is not asked with every line.
    log.write(line('5'));
    expect(existsSync(path)).toBe(false);
    pass(5_000);
    log.write(line('6'));
    const [first, second] = (await readFile(path, 'utf8')).split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({ lost: 4, msg: 'lines of this log were lost' });
    expect(second).toMatch(/^6/);
  });

  it('takes what pino says', async () => {
    const { path, open } = await prepare();
    pino({ base: { device: 'd-one' } }, open()).info({ port: 1 }, 'started');
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ device: 'd-one', port: 1, msg: 'started' });
  });

  it('says what is wrong with a place where there can be none', async () => {
    const { folder } = await prepare();
    await writeFile(join(folder, 'file'), '');
    const path = join(folder, 'file', 'agent.log');
    expect(() => new LogFile({ path, maxBytes: 1, kept: 1 })).toThrow(
      `Expected a file that this user may write for --log-file, got ${path}`,
    );
  });
});
