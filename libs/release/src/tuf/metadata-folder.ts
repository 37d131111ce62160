import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TUF_ROLES, type TufRole } from './signed-metadata.ts';

/** The current one is a link to a folder that never changes any more: a torn write can only hit what is not in use yet. */
const CURRENT = 'current';

/** Metadata files by role, as they were fetched. */
export type MetadataFiles = Readonly<Record<TufRole, Buffer>>;

/** The last set of metadata that was believed as a whole. */
export interface KeptMetadata {
  /** @returns what was kept; undefined when there is nothing, or not all of it */
  read(): Promise<MetadataFiles | undefined>;
  /** Keeps a set; resolves once it is kept. */
  write(files: MetadataFiles): Promise<void>;
}

/** On a disk: replaced as a whole, or not at all, whenever the power goes. */
export class MetadataFolder implements KeptMetadata {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(): Promise<MetadataFiles | undefined> {
    try {
      const files = await Promise.all(TUF_ROLES.map((role) => readFile(join(this.#folder, CURRENT, `${role}.json`))));
      const [root, targets, snapshot, timestamp] = files;
      if (root === undefined || targets === undefined || snapshot === undefined || timestamp === undefined)
        return undefined;
      return { root, targets, snapshot, timestamp };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
      throw error;
    }
  }

  async write(files: MetadataFiles): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const name = `set-${randomBytes(6).toString('hex')}`;
    const set = join(this.#folder, name);
    try {
      await mkdir(set, { mode: 0o700 });
      for (const role of TUF_ROLES) {
        await using file = await open(join(set, `${role}.json`), 'wx', 0o600);
        await file.writeFile(files[role]);
        await file.sync();
      }
      await syncFolder(set);
      const link = join(this.#folder, `${name}.link`);
      await symlink(name, link);
      await rename(link, join(this.#folder, CURRENT));
    } catch (error) {
      await rm(set, { recursive: true, force: true });
      await rm(`${set}.link`, { force: true });
      throw error;
    }
    await syncFolder(this.#folder);
    await this.#removeOthers();
  }

  async #removeOthers(): Promise<void> {
    const kept = [CURRENT, await readlink(join(this.#folder, CURRENT))];
    for (const name of await readdir(this.#folder)) {
      if (!kept.includes(name)) await rm(join(this.#folder, name), { recursive: true, force: true });
    }
  }
}

const syncFolder = async (folder: string): Promise<void> => {
  await using handle = await open(folder, 'r');
  await handle.sync();
};
