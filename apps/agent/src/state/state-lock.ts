import { readFile, readlink, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isDiskFull } from './full-disk.ts';

/** Another agent works in this state directory. */
export class StateInUseError extends Error {
  readonly code = 'state-in-use';
}

/** The state directory cannot be written by this user. */
export class StateUnwritableError extends Error {
  readonly code = 'state-unwritable';
}

const ATTEMPTS = 5;
const PAUSE_MS = 20;

/** The kernel's number of this boot: process numbers and times of start come again after the next. */
const bootId = (): Promise<string> =>
  readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (id) => id.trim(),
    () => '',
  );

const startOf = async (pid: number): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // Field 22, counted after the name in parentheses, which may hold spaces: ticks since boot when it was started.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
};

const isAlive = async (holder: string): Promise<boolean> => {
  const [pid = '', start = '', boot = ''] = holder.split(' ');
  return start !== '' && boot === (await bootId()) && (await startOf(Number(pid))) === start;
};

const holderOf = (path: string): Promise<string> => readlink(path).catch(() => '');

/** @returns false when somebody has it */
const take = async (path: string, holder: string): Promise<boolean> => {
  try {
    // A link that points nowhere: it appears together with its content, and has room on a disk that is full.
    await symlink(holder, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

/**
 * Makes sure that one agent at a time works in a state directory. A lock of a process that is gone, or whose number
 * now belongs to another one, is taken over. A directory that cannot be written is not locked: nobody can change it,
 * and a device with a worn-out card should still see.
 * @returns how to let go of it
 * @throws StateInUseError; StateUnwritableError; what a disk throws that is so full that no lock fits
 */
export const lockState = async (stateDirectory: string): Promise<() => Promise<void>> => {
  const path = join(stateDirectory, 'agent.lock');
  const me = [process.pid, (await startOf(process.pid)) ?? '', await bootId()].join(' ');
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      if (await take(path, me)) return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EROFS') return async () => undefined;
      if (isDiskFull(error)) throw error;
      throw new StateUnwritableError(
        `Expected a state directory that this user may write, got ${stateDirectory} (${error instanceof Error ? error.message : error}). Become its owner, or use another --state-dir.`,
      );
    }
    const holder = await holderOf(path);
    if (await isAlive(holder)) {
      throw new StateInUseError(
        `Another aviary-agent (process ${holder.split(' ')[0]}) works in ${stateDirectory}. Stop it first, or use another --state-dir.`,
      );
    }
    await takeAway(path, holder, me);
  }
  throw new StateInUseError(`The lock ${path} cannot be taken. Remove it if no agent runs here.`);
};

/** Takes a stale lock away, one process at a time: a live one that somebody has just put there must stay. */
const takeAway = async (path: string, stale: string, me: string): Promise<void> => {
  const guard = `${path}.takeover`;
  if (!(await take(guard, me))) {
    if (!(await isAlive(await holderOf(guard)))) await rm(guard, { force: true });
    await pause(PAUSE_MS);
    return;
  }
  try {
    if ((await holderOf(path)) === stale) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
};
