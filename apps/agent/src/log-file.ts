import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDiskFull } from './state/full-disk.ts';

/** Until a disk that took nothing is tried again. */
const RETRY_MS = 5_000;

/** There cannot be a log where it was said to be. */
export class LogFileError extends Error {
  readonly code = 'log-file-unusable';
}

export interface LogFileOptions {
  readonly path: string;
  /** A file that has reached this is put aside. */
  readonly maxBytes: number;
  /** Files that are kept beside the one that is written: `path.1`, the newest, and so on. */
  readonly kept: number;
}

/**
 * A log in files, for boards where nothing takes care of standard error. Lines that the disk does not take are let go and
 * counted, and how many is said as soon as it takes one again: neither a full disk nor a file that somebody removed ends the
 * agent, or makes it keep lines in memory. Written by one process, and at once: what was said last before a crash is there.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  readonly #now: () => number;
  #file: number | undefined;
  #bytes = 0;
  #lost = 0;
  #retryAt = Number.NEGATIVE_INFINITY;

  /** @throws LogFileError for a place where there can be none, whatever room there is */
  constructor(options: LogFileOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
    try {
      mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
      this.#open();
    } catch (error) {
      if (isDiskFull(error)) return;
      const message = error instanceof Error ? error.message : error;
      throw new LogFileError(
        `Expected a file that this user may write for --log-file, got ${options.path} (${message}). Name another one, or let its folder be this user's.`,
      );
    }
  }

  /** As pino calls it: a whole line. Never throws. */
  write(line: string): void {
    if (this.#file === undefined && this.#now() < this.#retryAt) {
      this.#lost += 1;
      return;
    }
    try {
      if (this.#file === undefined) this.#open();
      if (this.#bytes >= this.#options.maxBytes) this.#putAside();
      if (this.#lost > 0) {
        this.#put(
          `${JSON.stringify({ level: 40, time: Date.now(), lost: this.#lost, msg: 'lines of this log were lost' })}\n`,
        );
        this.#lost = 0;
      }
      this.#put(line);
    } catch {
      this.#lost += 1;
      this.#retryAt = this.#now() + RETRY_MS;
      this.close();
    }
  }

  close(): void {
    if (this.#file === undefined) return;
    try {
      closeSync(this.#file);
    } catch {
      // What it did not take is lost; so is this.
    }
    this.#file = undefined;
  }

  #open(): void {
    this.#file = openSync(this.#options.path, 'a', 0o600);
    this.#bytes = fstatSync(this.#file).size;
  }

  #put(line: string): void {
    if (this.#file === undefined) return;
    const bytes = Buffer.from(line);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(this.#file, bytes, offset);
    this.#bytes += bytes.length;
  }

  /** `path` becomes `path.1`, that `path.2`, and the oldest is gone. */
  #putAside(): void {
    const { path, kept } = this.#options;
    this.close();
    const nameOf = (age: number): string => (age === 0 ? path : `${path}.${age}`);
    rmSync(nameOf(kept), { force: true });
    for (let age = kept - 1; age >= 0; age -= 1) renameIfThere(nameOf(age), nameOf(age + 1));
    this.#open();
  }
}

const renameIfThere = (from: string, to: string): void => {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};
