import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Another agent works in this state directory. */
export class StateInUseError extends Error {
  readonly code = 'state-in-use';
}

const startOf = async (pid: number): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // Field 22, counted after the name in parentheses, which may hold spaces: ticks since boot when it was started.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
};

/**
 * Makes sure that one agent at a time works in a state directory. A lock of a process that is gone, or whose number
 * now belongs to another one, is taken over.
 * @throws StateInUseError
 */
export const lockState = async (stateDirectory: string): Promise<() => Promise<void>> => {
  const path = join(stateDirectory, 'agent.lock');
  const mine = `${process.pid} ${(await startOf(process.pid)) ?? ''}`;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      await using file = await open(path, 'wx', 0o600);
      await file.writeFile(mine);
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '', start = ''] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
    if (Number(pid) > 0 && start !== '' && (await startOf(Number(pid))) === start) {
      throw new StateInUseError(
        `Another aviary-agent (process ${pid}) works in ${stateDirectory}. Stop it first, or use another --state-dir.`,
      );
    }
    await rm(path, { force: true });
  }
  throw new StateInUseError(`The lock ${path} cannot be taken. Remove it if no agent runs here.`);
};
