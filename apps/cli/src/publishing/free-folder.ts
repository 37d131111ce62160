import { readdir } from 'node:fs/promises';
import { UsageError } from '../command-line/usage-error.ts';

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
