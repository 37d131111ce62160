import { open, readFile } from 'node:fs/promises';

const CHUNK = 64 * 1024;
/** More than the banner is long, so that one that lies across two chunks is seen whole. */
const OVERLAP = 256;

/**
 * Version of the GNU C library that this process runs in, e.g. "2.36"; undefined in another C library, and where it
 * cannot be read. It is in the banner of the library's own file. Node's `process.report` tells it, too, and walks the
 * stack and the names of all symbols for it: 1 MB of them stays in memory.
 */
export const findOwnGlibc = async (): Promise<string | undefined> => {
  const maps = await readFile('/proc/self/maps', 'latin1').catch(() => '');
  const [, path] = /\s(\/\S+\/libc(?:-[\d.]+)?\.so[.\d]*)$/m.exec(maps) ?? [];
  return path === undefined ? undefined : bannerVersion(path).catch(() => undefined);
};

const bannerVersion = async (path: string): Promise<string | undefined> => {
  const file = await open(path);
  try {
    const buffer = Buffer.alloc(CHUNK);
    for (let position = 0; ; position += CHUNK - OVERLAP) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
      const text = buffer.toString('latin1', 0, bytesRead);
      const [, version] = /GNU C Library [^\n]* release version (\d+\.\d+)/.exec(text) ?? [];
      if (version !== undefined || bytesRead < CHUNK) return version;
    }
  } finally {
    await file.close();
  }
};
