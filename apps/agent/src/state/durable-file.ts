import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes a rename or a removal in `directory` survive a power cut. */
export const syncDirectory = async (directory: string): Promise<void> => {
  await using handle = await open(directory, 'r');
  await handle.sync();
};

/** Replaces a file so that after a power cut either the old or the new content is there, whole. */
export const writeDurably = async (path: string, content: string | Uint8Array, mode = 0o600): Promise<void> => {
  const draft = `${path}.new`;
  {
    await using file = await open(draft, 'w', mode);
    await file.writeFile(content);
    await file.sync();
  }
  await rename(draft, path);
  await syncDirectory(dirname(path));
};
