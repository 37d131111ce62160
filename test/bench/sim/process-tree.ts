import { readdir, readFile } from 'node:fs/promises';

/** What the kernel counts times in: `USER_HZ`, the same on every Linux (proc(5)). */
const MS_PER_TICK = 10;

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Of itself, and of those of its children that have ended and were waited for. */
  readonly ticks: number;
}

/** @returns undefined when it has ended meanwhile */
const readProcess = async (pid: number): Promise<Process | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The name, in parentheses, may hold anything; the fields after it are counted from the third.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + (fields[index] ?? 0), 0);
  return { pid, parent: fields[1] ?? 0, ticks };
};

/**
 * CPU time of a process and all that descend from it, in milliseconds; also of those that have ended, as long as their
 * parents have not. Linux only.
 */
export const cpuMsOf = async (root: number): Promise<number> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = (await Promise.all(pids.map(readProcess))).filter((one) => one !== undefined);
  const counted = new Set([root]);
  for (let before = 0; before !== counted.size; ) {
    before = counted.size;
    for (const { pid, parent } of processes) if (counted.has(parent)) counted.add(pid);
  }
  const ticks = processes.filter(({ pid }) => counted.has(pid)).reduce((sum, one) => sum + one.ticks, 0);
  return ticks * MS_PER_TICK;
};
