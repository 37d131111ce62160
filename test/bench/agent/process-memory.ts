import { readFile } from 'node:fs/promises';

/** Resident memory of a process in kB, as the kernel counts it now (VmRSS of proc_pid_status(5)). */
export const residentKB = async (pid: number): Promise<number> => {
  const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kilobytes === undefined) throw new Error(`process ${pid} has no memory any more`);
  return Number(kilobytes);
};
