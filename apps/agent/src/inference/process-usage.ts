import { closeSync, openSync, readSync } from 'node:fs';

export interface ProcessUsage {
  /** Resident memory of all processes together; pages that they share are counted in each. */
  readonly rssBytes: number;
  /** CPU time since the sample before over wall time; 100 is one core. 0 in the first sample. */
  readonly cpuPercent: number;
}

/** `sysconf(_SC_CLK_TCK)`: the kernel's unit in /proc/PID/stat, 100 on every architecture that Linux still has. */
const TICKS_PER_SECOND = 100;

interface Watched {
  readonly stat: number;
  ticks: number;
}

/** Reads /proc/PID/stat through descriptors that stay open; spawns nothing. */
export class ProcessUsageMeter {
  readonly #now: () => number;
  readonly #pageBytes: number;
  readonly #buffer = Buffer.alloc(1024);
  readonly #watched = new Map<number, Watched>();
  #sampledAt: number | null = null;

  /**
   * @param now milliseconds of a monotonic clock.
   * @param pageBytes the kernel's page size; by default from this process's own auxiliary vector.
   */
  constructor(now: () => number = () => performance.now(), pageBytes: number = pageSize()) {
    this.#now = now;
    this.#pageBytes = pageBytes;
  }

  /** Usage of the given processes together. One that is gone counts nothing; one that is new counts CPU from now on. */
  sample(pids: readonly number[]): ProcessUsage {
    for (const [pid, watched] of this.#watched) {
      if (!pids.includes(pid)) this.#forget(pid, watched);
    }
    let pages = 0;
    let ticks = 0;
    for (const pid of pids) {
      const before = this.#watched.get(pid);
      const figures = before === undefined ? this.#watch(pid) : this.#read(before.stat);
      if (figures === null) {
        if (before !== undefined) this.#forget(pid, before);
        continue;
      }
      pages += figures.pages;
      const watched = this.#watched.get(pid);
      if (watched === undefined) continue;
      ticks += figures.ticks - watched.ticks;
      watched.ticks = figures.ticks;
    }
    const now = this.#now();
    const seconds = this.#sampledAt === null ? 0 : (now - this.#sampledAt) / 1000;
    this.#sampledAt = now;
    return {
      rssBytes: pages * this.#pageBytes,
      cpuPercent: seconds > 0 ? (100 * ticks) / TICKS_PER_SECOND / seconds : 0,
    };
  }

  close(): void {
    for (const [pid, watched] of this.#watched) this.#forget(pid, watched);
  }

  #watch(pid: number): { pages: number; ticks: number } | null {
    let stat: number;
    try {
      stat = openSync(`/proc/${pid}/stat`, 'r');
    } catch {
      return null;
    }
    const figures = this.#read(stat);
    if (figures === null) closeSync(stat);
    else this.#watched.set(pid, { stat, ticks: figures.ticks });
    return figures;
  }

  #forget(pid: number, watched: Watched): void {
    closeSync(watched.stat);
    this.#watched.delete(pid);
  }

  /** Fields 14 and 15 (CPU time) and 24 (resident pages) of proc_pid_stat(5). The name before them may hold blanks and brackets. */
  #read(stat: number): { pages: number; ticks: number } | null {
    let length: number;
    try {
      length = readSync(stat, this.#buffer, 0, this.#buffer.length, 0);
    } catch {
      // ESRCH: the process is gone. A descriptor stays with its process, so a reused number is never read by mistake.
      return null;
    }
    const text = this.#buffer.toString('latin1', 0, length);
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [user, system, pages] = [fields[11], fields[12], fields[21]].map(Number);
    if (user === undefined || system === undefined || pages === undefined) return null;
    return { pages, ticks: user + system };
  }
}

/** AT_PAGESZ of /proc/self/auxv (getauxval(3)): 4096 on most boards, 16384 on a Raspberry Pi 5. */
function pageSize(): number {
  const AT_PAGESZ = 6n;
  const auxv = Buffer.alloc(1024);
  const file = openSync('/proc/self/auxv', 'r');
  try {
    const length = readSync(file, auxv, 0, auxv.length, 0);
    for (let offset = 0; offset + 16 <= length; offset += 16) {
      if (auxv.readBigUInt64LE(offset) === AT_PAGESZ) return Number(auxv.readBigUInt64LE(offset + 8));
    }
  } finally {
    closeSync(file);
  }
  return 4096;
}
