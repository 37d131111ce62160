import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../state/durable-file.ts';
import { isDiskFull } from '../state/full-disk.ts';

/** Disks give out space in blocks, so a small file costs one. */
const BLOCK_BYTES = 4096;
/** Room set aside, for the few files that must be written even when the disk is full. */
const RESERVE_BYTES = 512 * 1024;
const RESERVE = 'reserve';

/** Bytes that a file of `length` takes on the disk. */
export const bytesOnDisk = (length: number): number => Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;

/** The spool's folder: small files that are there whole or not at all. */
export interface SpoolFiles {
  /** Makes the folder, or leaves that to the first writing where the disk is full; removes unfinished files. */
  open(): Promise<void>;
  /** Names and lengths of what is there, in the order of names. */
  list(): Promise<readonly { readonly name: string; readonly length: number }[]>;
  /** Undefined when it is not there or cannot be read. */
  read(name: string): Promise<string | undefined>;
  /** On disk when it resolves. Only what is `urgent` may use the reserve of a full disk. */
  write(name: string, content: string, urgent?: boolean): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Undefined when it is not there or damaged. */
export const readJson = async (files: SpoolFiles, name: string): Promise<unknown> => {
  try {
    return JSON.parse((await files.read(name)) ?? '');
  } catch {
    return undefined;
  }
};

/** Removes what does not count any more, and lets it lie where the disk does not let go of it. */
export const removeQuietly = (files: SpoolFiles, name: string): Promise<void> =>
  files.remove(name).catch(() => undefined);

export class SpoolDirectory implements SpoolFiles {
  readonly #path: string;
  #hasReserve = false;
  #isThere = false;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<void> {
    try {
      await this.#makeFolder();
    } catch (error) {
      if (isDiskFull(error)) return;
      throw error;
    }
    for (const name of await readdir(this.#path)) {
      if (name.endsWith('.new')) await removeQuietly(this, name);
    }
    const reserve = await stat(join(this.#path, RESERVE)).catch(() => undefined);
    this.#hasReserve = reserve?.size === RESERVE_BYTES;
    await this.#reserve().catch(() => undefined);
  }

  async list() {
    if (!this.#isThere) return [];
    const names = (await readdir(this.#path)).filter((name) => name !== RESERVE).sort();
    return Promise.all(names.map(async (name) => ({ name, length: (await stat(join(this.#path, name))).size })));
  }

  read(name: string): Promise<string | undefined> {
    return readFile(join(this.#path, name), 'utf8').catch(() => undefined);
  }

  async write(name: string, content: string, urgent = false): Promise<void> {
    // What was set aside and used comes back before anything else gets room: it is what lets a full disk be emptied.
    if (!urgent) await this.#reserve();
    try {
      await this.#write(name, content);
    } catch (error) {
      if (!urgent || !isDiskFull(error)) throw error;
      this.#hasReserve = false;
      await this.remove(RESERVE);
      await this.#write(name, content);
    }
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#path, name), { force: true });
  }

  async #write(name: string, content: string): Promise<void> {
    if (!this.#isThere) await this.#makeFolder();
    try {
      await writeDurably(join(this.#path, name), content);
    } catch (error) {
      await this.remove(`${name}.new`).catch(() => undefined);
      throw error;
    }
  }

  async #makeFolder(): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    this.#isThere = true;
  }

  async #reserve(): Promise<void> {
    if (this.#hasReserve) return;
    await this.#write(RESERVE, '0'.repeat(RESERVE_BYTES));
    this.#hasReserve = true;
  }
}
