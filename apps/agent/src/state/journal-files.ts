import { link, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from './durable-file.ts';

/** The state that counts, and the one before its last change: what is left when that is damaged. */
export type JournalCopy = 'current' | 'last';

/** Where a journal lies. */
export interface JournalFiles {
  /** Undefined when there is none. */
  read(copy: JournalCopy): Promise<string | undefined>;
  /** Puts a text in the place of the current one, which becomes the last; it is kept when this resolves. */
  replace(text: string): Promise<void>;
  /** Takes the current one, which is damaged, out of the way. */
  putAside(): Promise<void>;
}

/** Two files in the device's state directory; each change is on the disk before it counts. */
export class JournalDirectory implements JournalFiles {
  readonly #paths: Readonly<Record<JournalCopy, string>>;

  constructor(stateDirectory: string) {
    this.#paths = { current: join(stateDirectory, 'journal.json'), last: join(stateDirectory, 'journal.last.json') };
  }

  async read(copy: JournalCopy): Promise<string | undefined> {
    try {
      return await readFile(this.#paths[copy], 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async replace(text: string): Promise<void> {
    await this.#keepLast();
    await writeDurably(this.#paths.current, text);
  }

  putAside(): Promise<void> {
    return rename(this.#paths.current, `${this.#paths.current}.damaged`);
  }

  async #keepLast(): Promise<void> {
    const draft = `${this.#paths.last}.new`;
    await rm(draft, { force: true });
    try {
      await link(this.#paths.current, draft);
      // The last copy is replaced, never removed: it may be the only one.
      await rename(draft, this.#paths.last);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Nothing yet to keep, or a file system without links: the second copy is a convenience.
      if (code !== 'ENOENT' && code !== 'EPERM' && code !== 'ENOTSUP') throw error;
    }
  }
}
