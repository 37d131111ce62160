import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UsageError } from '../command-line/usage-error.ts';
import { withScratchFolder } from './scratch-folder.ts';

/** @throws UsageError for a folder that has something in it */
export const expectFreeFolder = async (out: string): Promise<void> => {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new UsageError(`Expected a folder for --out that is empty or not there yet, got "${out}" (${error.code}).`);
  });
  if (names.length > 0) {
    throw new UsageError(`There is something in ${out} already, and nothing is overwritten. Choose another --out.`);
  }
};

/**
 * Makes a folder that is there as a whole, or not at all.
 * @param out not there yet, or empty; see {@link expectFreeFolder}
 * @param name of the scratch folder beside it
 * @param fill makes the new folder at the path that it gets first; what it needs meanwhile goes into the second, which
 *   is removed
 */
export const makeFolder = async <Result>(
  out: string,
  name: string,
  fill: (folder: string, scratch: string) => Promise<Result>,
): Promise<Result> => {
  const target = resolve(out);
  await mkdir(dirname(target), { recursive: true });
  return withScratchFolder(
    name,
    async (scratch) => {
      await mkdir(scratch, { mode: 0o700 });
      const folder = join(scratch, 'folder');
      const result = await fill(folder, scratch);
      // An empty folder may be there; one that filled up in the meantime refuses to go.
      await rmdir(target).catch(() => undefined);
      await rename(folder, target);
      return result;
    },
    dirname(target),
  );
};
