import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Reads a secret text file (0600), making it first where there is none. Processes that start together agree on one:
 * `link` fails when the name exists, so whoever comes second uses what the first has made.
 */
export const readOrMakeFile = async (path: string, make: () => string): Promise<string> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  const draft = `${path}.${process.pid}`;
  const file = await open(draft, 'w', 0o600);
  await file.writeFile(make());
  await file.sync();
  await file.close();
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(draft);
  return (await readFile(path, 'utf8')).trim();
};
