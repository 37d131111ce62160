import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
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
 * @param name of the folder beside it in which it is made
 * @param fill makes what is to be there, at the path that it gets
 */
export const makeFolder = async <Result>(
  out: string,
  name: string,
  fill: (scratch: string) => Promise<Result>,
): Promise<Result> => {
  const target = resolve(out);
  await mkdir(dirname(target), { recursive: true });
  return withScratchFolder(
    name,
    async (scratch) => {
      const result = await fill(scratch);
      // An empty folder may be there; one that filled up in the meantime refuses to go.
      await rmdir(target).catch(() => undefined);
      await rename(scratch, target);
      return result;
    },
    dirname(target),
  );
};
