import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** The files of a board. Tests and fixtures have them in another folder than `/`. */
export class BoardRoot {
  readonly folder: string;

  constructor(folder = '/') {
    this.folder = folder;
  }

  /** Where a path of the board lies. */
  at(...path: string[]): string {
    return join(this.folder, ...path);
  }

  /** What a file says, without blanks around it; undefined where there is none, or where it says nothing. */
  async text(...path: string[]): Promise<string | undefined> {
    const content = await readFile(this.at(...path), 'utf8').catch(() => '');
    return content.trim() || undefined;
  }

  /** Where a link leads, as it is written; undefined where there is none. */
  link(...path: string[]): Promise<string | undefined> {
    return readlink(this.at(...path)).catch(() => undefined);
  }

  /** The strings of a property of the device tree, each of which ends in a zero byte. */
  async strings(...path: string[]): Promise<string[]> {
    return ((await this.text(...path)) ?? '').split('\0').filter((part) => part !== '');
  }

  /** Names in a folder, in their order; none where there is no folder. */
  async names(...path: string[]): Promise<string[]> {
    return (await readdir(this.at(...path)).catch(() => [])).sort();
  }
}
