import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, open, rm, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A file that takes the room that others would have. */
const BALLAST = 'ballast';
const BLOCK_BYTES = 4096;

/** A real file system of a few megabytes, that can be filled. */
export class SmallDisk {
  readonly path: string;
  readonly #onExit = (): void => void spawnSync('umount', ['-l', this.path]);

  private constructor(path: string) {
    this.path = path;
    // Whatever ends the test, nothing stays mounted.
    process.once('exit', this.#onExit);
  }

  /** @throws Error where this user may not mount */
  static async mount(bytes: number): Promise<SmallDisk> {
    const path = await mkdtemp(join(tmpdir(), 'aviary-small-'));
    try {
      await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'aviary-test', path]);
    } catch (error) {
      await rmdir(path);
      const why = error instanceof Error ? error.message.trim() : error;
      throw new Error(
        `Expected to be allowed to mount a small tmpfs, since a disk that is really full is what is tested here (${why}). Run this test as root, e.g. with sudo, or in a container with CAP_SYS_ADMIN.`,
      );
    }
    return new SmallDisk(path);
  }

  /** Leaves so much room, in whole blocks; less where somebody else writes meanwhile. */
  async fill(leaving: number): Promise<void> {
    await using file = await open(join(this.path, BALLAST), 'a');
    const { bavail, bsize } = await statfs(this.path);
    const room = Buffer.alloc(Math.max(0, bavail * bsize - Math.ceil(leaving / BLOCK_BYTES) * BLOCK_BYTES));
    await file.appendFile(room).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOSPC') throw error;
    });
  }

  /** There is room again. */
  async free(): Promise<void> {
    await rm(join(this.path, BALLAST), { force: true });
  }

  async unmount(): Promise<void> {
    process.off('exit', this.#onExit);
    await promisify(execFile)('umount', ['-l', this.path]);
    await rmdir(this.path);
  }
}
