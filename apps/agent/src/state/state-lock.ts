import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Another agent works in this state directory. */
export class StateInUseError extends Error {
  readonly code = 'state-in-use';
}

const ATTEMPTS = 3;

const startOf = async (pid: number): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // Field 22, counted after the name in parentheses, which may hold spaces: ticks since boot when it was started.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
};

const isAlive = async (holder: string): Promise<boolean> => {
  const [pid = '', start = ''] = holder.split(' ');
  return start !== '' && (await startOf(Number(pid))) === start;
};

/**
 * Makes sure that one agent at a time works in a state directory. A lock of a process that is gone, or whose number
 * now belongs to another one, is taken over.
 * @returns how to let go of it
 * @throws StateInUseError
 */
export const lockState = async (stateDirectory: string): Promise<() => Promise<void>> => {
  const path = join(stateDirectory, 'agent.lock');
  const mine = `${path}.${process.pid}`;
  // A lock appears under its name with its content, so that nobody ever reads an empty one.
  await writeFile(mine, `${process.pid} ${(await startOf(process.pid)) ?? ''}`, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        await link(mine, path);
        return () => rm(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await readFile(path, 'utf8').catch(() => '');
      if (await isAlive(holder)) {
        throw new StateInUseError(
          `Another aviary-agent (process ${holder.split(' ')[0]}) works in ${stateDirectory}. Stop it first, or use another --state-dir.`,
        );
      }
      await takeAway(path, holder);
    }
    throw new StateInUseError(`The lock ${path} cannot be taken. Remove it if no agent runs here.`);
  } finally {
    await rm(mine, { force: true });
  }
};

/** Takes a stale lock away, and puts it back when meanwhile somebody else had put a live one in its place. */
const takeAway = async (path: string, stale: string): Promise<void> => {
  const aside = `${path}.stale.${process.pid}`;
  await rename(path, aside).catch(() => undefined);
  const taken = await readFile(aside, 'utf8').catch(() => stale);
  if (taken !== stale) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
};
