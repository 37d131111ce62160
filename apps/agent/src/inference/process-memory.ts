import { readFileSync } from 'node:fs';

/** What a process has in memory, in bytes. */
export interface ProcessMemory {
  /** Now. */
  readonly resident: number;
  /** The most since it began, files that it has mapped included. */
  readonly peak: number;
}

const KILOBYTE = 1024;

const bytesOf = (status: string, key: string): number | undefined => {
  const [, kilobytes] = new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(status) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * KILOBYTE;
};

/** VmRSS and VmHWM of /proc/PID/status (proc_pid_status(5)); null when the process is gone, or the kernel does not say. */
export const readProcessMemory = (pid: number): ProcessMemory | null => {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return null;
  }
  const [resident, peak] = [bytesOf(status, 'VmRSS'), bytesOf(status, 'VmHWM')];
  return resident === undefined || peak === undefined ? null : { resident, peak };
};
