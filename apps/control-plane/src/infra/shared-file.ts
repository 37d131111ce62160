import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

const read = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );

/**
 * Reads a secret text file (0600), making it first where there is none. Processes that start together agree on one:
 * `link` fails when the name exists, so whoever comes second uses what the first has made.
 */
export const readOrMakeFile = async (path: string, make: () => string): Promise<string> => {
  const existing = await read(path);
  if (existing !== undefined) return existing;
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  // Not named by the process id: in containers that share a volume everybody is process 1.
  const draft = `${path}.${randomUUID()}`;
  try {
    await using file = await open(draft, 'wx', 0o600);
    await file.writeFile(make());
    await file.sync();
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  // A database full of what this secret has sealed must not outlive it in a power cut.
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
  const made = await read(path);
  if (made === undefined) throw new Error(`${path} was made and is gone.`);
  return made;
};
