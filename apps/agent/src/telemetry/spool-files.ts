import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../state/durable-file.ts';

/** Disks give out space in blocks, so a small file costs one. */
const BLOCK_BYTES = 4096;
/** Room set aside while there is some, for the one file that must be written even when the disk is full. */
const RESERVE_BYTES = 512 * 1024;
const RESERVE = 'reserve';

/** Bytes that a file of `length` takes on the disk. */
export const bytesOnDisk = (length: number): number => Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;

/** The spool's folder: small files that are there whole or not at all. */
export interface SpoolFiles {
  /** Makes the folder, removes unfinished files. */
  open(): Promise<void>;
  /** Names and lengths of what is there, in the order of names. */
  list(): Promise<readonly { readonly name: string; readonly length: number }[]>;
  /** Undefined when it is not there or cannot be read. */
  read(name: string): Promise<string | undefined>;
  /** On disk when it resolves. `urgent` may use the reserve of a full disk. */
  write(name: string, content: string, urgent?: boolean): Promise<void>;
  remove(name: string): Promise<void>;
}

export class SpoolDirectory implements SpoolFiles {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#path)) {
      if (name.endsWith('.new')) await this.remove(name);
    }
    await this.#reserve();
  }

  async list() {
    const names = (await readdir(this.#path)).filter((name) => name !== RESERVE).sort();
    return Promise.all(names.map(async (name) => ({ name, length: (await stat(join(this.#path, name))).size })));
  }

  read(name: string): Promise<string | undefined> {
    return readFile(join(this.#path, name), 'utf8').catch(() => undefined);
  }

  async write(name: string, content: string, urgent = false): Promise<void> {
    try {
      await this.#write(name, content);
    } catch (error) {
      if (!urgent || (error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      await this.remove(RESERVE);
      await this.#write(name, content);
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#path, name), { force: true });
  }

  async #write(name: string, content: string): Promise<void> {
    try {
      await writeDurably(join(this.#path, name), content);
    } catch (error) {
      await this.remove(`${name}.new`).catch(() => undefined);
      throw error;
    }
  }

  async #reserve(): Promise<void> {
    const there = await stat(join(this.#path, RESERVE)).catch(() => undefined);
    if (there?.size !== RESERVE_BYTES) {
      await this.#write(RESERVE, '0'.repeat(RESERVE_BYTES)).catch(() => this.remove(RESERVE).catch(() => undefined));
    }
  }
}
