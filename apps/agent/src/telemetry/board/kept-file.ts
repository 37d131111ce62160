import { closeSync, openSync, readSync } from 'node:fs';

/** A sensor that is off or busy says so in place of a value; its file is still the right one. */
const STAYS: ReadonlySet<string> = new Set(['EAGAIN', 'EIO', 'EINVAL', 'ENODATA', 'ETIMEDOUT']);

/** As much as is read of a file; the largest is /proc/meminfo. */
const buffer = Buffer.alloc(4096);

/** A file of procfs or sysfs that is read again and again: opened once, and then read from its beginning. */
export class KeptFile {
  readonly #path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What it says now, without blanks around it; undefined when it says nothing. */
  text(): string | undefined {
    try {
      this.#file ??= openSync(this.#path, 'r');
      const length = readSync(this.#file, buffer, 0, buffer.length, 0);
      return buffer.toString('latin1', 0, length).trim() || undefined;
    } catch (error) {
      // What was plugged out and in again has a new file under the old name.
      if (!(error instanceof Error && 'code' in error && STAYS.has(String(error.code)))) this.close();
      return undefined;
    }
  }

  /** @returns undefined for what is no number */
  number(): number | undefined {
    const value = Number(this.text() ?? Number.NaN);
    return Number.isNaN(value) ? undefined : value;
  }

  close(): void {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    closeSync(file);
  }
}
