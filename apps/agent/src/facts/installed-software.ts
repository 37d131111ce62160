import type { BoardRoot } from './board-root.ts';

/** Where libraries lie, in the order in which they are looked for. */
const LIBRARY_FOLDERS = [
  'usr/lib/aarch64-linux-gnu',
  'usr/lib/x86_64-linux-gnu',
  'usr/local/lib',
  'usr/lib',
  'usr/local/cuda/lib64',
];

/** What is installed on a board, by the files that a package leaves: nothing is started to find out. */
export class InstalledSoftware {
  readonly #root: BoardRoot;
  #status: Promise<string> | undefined;
  #files: Promise<readonly string[]> | undefined;

  constructor(root: BoardRoot) {
    this.#root = root;
  }

  /**
   * Upstream version of an installed Debian package: of `2:4.20.0-1` it is 4.20.0. By the paragraphs of dpkg's status file,
   * e.g. `Package: hailort`, `Status: install ok installed`, `Version: 4.20.0`; of a megabyte or more, they are not all cut out.
   */
  async packageVersion(name: string): Promise<string | undefined> {
    this.#status ??= this.#root.text('var/lib/dpkg/status').then((content) => `\n${content ?? ''}\n`);
    const status = await this.#status;
    const start = status.indexOf(`\nPackage: ${name}\n`);
    if (start < 0) return undefined;
    const end = status.indexOf('\n\n', start + 1);
    const paragraph = status.slice(start, end < 0 ? undefined : end);
    if (!/^Status: .* installed$/m.test(paragraph)) return undefined;
    const [, version] = /^Version: (?:\d+:)?(.+)$/m.exec(paragraph) ?? [];
    return version?.replace(/-[^-]*$/, '');
  }

  /** Version in the name of a shared library: libnvinfer.so.10.3.0 is 10.3.0. The longest, where links shorten it. */
  async libraryVersion(library: string): Promise<string | undefined> {
    this.#files ??= this.#readFolders();
    const start = `${library}.so.`;
    const versions = (await this.#files)
      .filter((name) => name.startsWith(start))
      .map((name) => name.slice(start.length))
      .filter((version) => /^\d+(\.\d+)+$/.test(version));
    return versions.sort((a, b) => b.split('.').length - a.split('.').length)[0];
  }

  async #readFolders(): Promise<readonly string[]> {
    return (await Promise.all(LIBRARY_FOLDERS.map((folder) => this.#root.names(folder)))).flat();
  }
}
