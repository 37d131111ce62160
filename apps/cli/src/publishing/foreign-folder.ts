import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../command-line/usage-error.ts';

/** Beyond that, a folder is no model, or too large to be held in memory. */
const MOST_FILES = 10_000;
const MOST_BYTES = 4 * 2 ** 30;
/** OpenSSF Model Signing never signs these, at the top of a folder. */
const NEVER_SIGNED = new Set(['.git', '.gitattributes', '.github', '.gitignore']);

/**
 * Paths of all files of a folder that comes from somebody else, with `/`. What OpenSSF Model Signing never signs is left
 * out.
 * @throws UsageError for a link, or anything else that is neither file nor folder: nothing outside is ever read
 */
export async function* foreignPaths(directory: string): AsyncGenerator<string, void, undefined> {
  const root = await lstat(directory).catch(() => undefined);
  if (root?.isDirectory() !== true) {
    throw new UsageError(`Expected a folder with a model and its model.sig, got "${directory}".`);
  }
  let count = 0;
  async function* walk(folder: string): AsyncGenerator<string, void, undefined> {
    for (const entry of await readdir(join(directory, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (folder === '' && NEVER_SIGNED.has(entry.name)) continue;
      if (entry.isDirectory()) {
        yield* walk(path);
        continue;
      }
      if (!entry.isFile()) {
        const what = entry.isSymbolicLink() ? 'a symbolic link' : 'neither a file nor a folder';
        throw new UsageError(`${path} is ${what}. Expected files alone; replace it by the file that is meant.`);
      }
      count += 1;
      if (count > MOST_FILES) throw tooLarge(directory);
      yield path;
    }
  }
  yield* walk('');
}

/** Reads every file of such a folder into memory, by its path. @throws as {@link foreignPaths} */
export const readForeignFolder = async (directory: string): Promise<Map<string, Buffer>> => {
  const files = new Map<string, Buffer>();
  let bytes = 0;
  for await (const path of foreignPaths(directory)) {
    const content = await readFile(join(directory, path));
    bytes += content.length;
    if (bytes > MOST_BYTES) throw tooLarge(directory);
    files.set(path, content);
  }
  return files;
};

const tooLarge = (directory: string): UsageError =>
  new UsageError(
    `Expected a model of at most ${MOST_FILES} files and ${MOST_BYTES / 2 ** 30} GiB in ${directory}, found more.`,
  );
