import { mkdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Numbers by which Linux names file systems that live in memory (statfs(2)). */
const MEMORY_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** There is no place in memory for opened models. */
export class MemoryStorageError extends Error {
  readonly code = 'memory-storage-missing';
}

/** Whether a folder lies on a file system that is gone with the power. */
export const isInMemory = async (path: string): Promise<boolean> =>
  statfs(path).then(
    ({ type }) => MEMORY_FILE_SYSTEMS.has(type),
    () => false,
  );

/**
 * A private folder for opened models that is gone with the power: on tmpfs, never on flash. Whatever an earlier run of
 * this device left there is removed.
 * @param chosen a folder that the user named; it is taken as it is, for machines without tmpfs
 * @param candidates where to look otherwise, best first
 * @throws MemoryStorageError
 */
export const openMemoryStorage = async (
  deviceId: string,
  chosen?: string,
  candidates: readonly (string | undefined)[] = [process.env.XDG_RUNTIME_DIR, '/dev/shm', '/run'],
): Promise<string> => {
  let root = chosen;
  for (const path of candidates) {
    if (root === undefined && path !== undefined && (await isInMemory(path))) root = path;
  }
  if (root === undefined) {
    throw new MemoryStorageError(
      'Expected a tmpfs at $XDG_RUNTIME_DIR, /dev/shm or /run to open models in, found none. Mount one, or accept plain models on disk with --plaintext-dir DIR.',
    );
  }
  const folder = join(root, `aviary-${deviceId}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
};
