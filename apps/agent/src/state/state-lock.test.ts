import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolders } from '../testing/temporary-folder.ts';
import { lockState } from './state-lock.ts';

const makeFolder = temporaryFolders();
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Another process that has locked the folder. */
const otherAgent = async (folder: string) => {
  const program = `const { lockState } = await import(${JSON.stringify(new URL('./state-lock.ts', import.meta.url).href)});
    await lockState(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  ends.push(kill);
  await once(child.stdout, 'data');
  return { pid: child.pid, kill };
};

describe('the lock of a state directory', () => {
  it('says what it expected of a directory that cannot be written', async () => {
    const file = join(await makeFolder(), 'no-folder');
    await writeFile(file, '');
    await expect(lockState(file)).rejects.toMatchObject({
      code: 'state-unwritable',
      message: expect.stringMatching(
        /^Expected a state directory that this user may write, got .*no-folder \(ENOTDIR: .*\)\. Become its owner, or use another --state-dir\.$/,
      ),
    });
  });

  it('refuses a second agent in one sentence that says what to do', async () => {
    const folder = await makeFolder();
    const { pid } = await otherAgent(folder);
    await expect(lockState(folder)).rejects.toMatchObject({
      code: 'state-in-use',
      message: `Another aviary-agent (process ${pid}) works in ${folder}. Stop it first, or use another --state-dir.`,
    });
  });

  it('is taken over from a process that was killed', async () => {
    const folder = await makeFolder();
    const { kill } = await otherAgent(folder);
    await kill();
    const unlock = await lockState(folder);
    await expect(lockState(folder)).rejects.toMatchObject({ code: 'state-in-use' });
    await unlock();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is taken over when the number of its process belongs to another one now', async () => {
    const folder = await makeFolder();
    await symlink(`${process.pid} 1 another-boot`, join(folder, 'agent.lock'));
    await (await lockState(folder))();
  });

  it('is taken over when it was made by this very number and moment of another boot', async () => {
    const folder = await makeFolder();
    const stat = await readFile(`/proc/${process.pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    await symlink(`${process.pid} ${start} 00000000-0000-0000-0000-000000000000`, join(folder, 'agent.lock'));
    await (await lockState(folder))();
  });

  it.each(['', 'gibberish', '1', '-1 5', '999999999 77'])('is taken over when it says "%s"', async (content) => {
    const folder = await makeFolder();
    await writeFile(join(folder, 'agent.lock'), content);
    await (await lockState(folder))();
  });

  it('is taken over from a process that went down while it took over', async () => {
    const folder = await makeFolder();
    await symlink('999999999 77 another-boot', join(folder, 'agent.lock'));
    await symlink('999999998 78 another-boot', join(folder, 'agent.lock.takeover'));
    await (await lockState(folder))();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is got by one of many that want it at the same moment', async () => {
    const folder = await makeFolder();
    await symlink('999999999 77 another-boot', join(folder, 'agent.lock'));
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => lockState(folder)));
    const got = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(got).toHaveLength(1);
  });

  it('is a link without content, for which a full disk has room', async () => {
    const folder = await makeFolder();
    const unlock = await lockState(folder);
    const lock = await lstat(join(folder, 'agent.lock'));
    expect(lock.isSymbolicLink()).toBe(true);
    // What ext4 and f2fs keep within the inode.
    expect(lock.size).toBeLessThan(60);
    await unlock();
  });

  it('says what is wrong when the folder is missing', async () => {
    await expect(lockState(join(await makeFolder(), 'missing'))).rejects.toMatchObject({
      code: 'state-unwritable',
      message: expect.stringContaining('missing (ENOENT: no such file or directory'),
    });
  });
});
