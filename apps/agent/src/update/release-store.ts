import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  MANIFEST_FILE,
  openHeader,
  openPayload,
  parseManifest,
  readArchive,
  SIGNATURE_FILE,
  verifyModel,
} from '@aviary/release';
import type { Identity } from '../identity/identity.ts';
import type { HeldRelease } from '../state/journal.ts';
import { StepError } from './step-error.ts';

/** Room that an update must leave on the disk. */
const SPARE_DISK_BYTES = 32 * 1024 * 1024;

/** Releases on this device: sealed on disk under their digest, opened in memory only. */
export class ReleaseStore {
  constructor(
    private readonly sealedFolder: string,
    private readonly plainFolder: string,
    private readonly identity: Pick<Identity, 'ageIdentity' | 'publisherKeys'>,
  ) {}

  async start(): Promise<void> {
    await mkdir(this.sealedFolder, { recursive: true, mode: 0o700 });
  }

  sealedPath(release: HeldRelease): string {
    return join(this.sealedFolder, release.sha256);
  }

  /** @throws StepError `disk-full` before a byte is fetched */
  async checkSpace(release: HeldRelease): Promise<void> {
    const { bavail, bsize } = await statfs(this.sealedFolder);
    const part = await stat(`${this.sealedPath(release)}.part`).then(
      ({ size }) => size,
      () => 0,
    );
    const needed = release.length - part + SPARE_DISK_BYTES;
    if (bavail * bsize < needed) {
      throw new StepError(
        'FAILED',
        'disk-full',
        `the disk has ${Math.floor((bavail * bsize) / 2 ** 20)} MB free, ${Math.ceil(needed / 2 ** 20)} MB are needed; free some space`,
      );
    }
  }

  /**
   * Opens a release: each chunk is authenticated as it is decrypted, the whole compared with what the publisher
   * signed, and every file with the model's own signature. Only then is there anything under the returned path.
   * @throws StepError
   */
  async open(release: HeldRelease): Promise<string> {
    const folder = join(this.plainFolder, release.digest);
    if ((await stat(folder).catch(() => undefined)) !== undefined) return folder;
    let files: Map<string, Buffer>;
    const hash = createHash('sha256');
    try {
      const fileKey = openHeader(Buffer.from(release.ageHeader, 'base64'), this.identity.ageIdentity);
      const plain = openPayload(fileKey, createReadStream(this.sealedPath(release)));
      files = await readArchive(hashed(plain, hash));
    } catch (error) {
      throw new StepError('FAILED', codeOf(error, 'cannot-open'), `the release does not open: ${messageOf(error)}`);
    }
    const digest = hash.digest('hex');
    if (digest !== release.digest) {
      throw new StepError('FAILED', 'digest-mismatch', `expected the archive ${release.digest}, opened ${digest}`);
    }
    try {
      verifyModel(files.get(SIGNATURE_FILE) ?? Buffer.alloc(0), files, this.identity.publisherKeys);
      const manifest = parseManifest(files.get(MANIFEST_FILE) ?? Buffer.alloc(0));
      if (manifest.release !== release.release || manifest.variant.id !== release.variant) {
        throw new Error(
          `the archive says ${manifest.release} ${manifest.variant.id}, assigned was ${release.release} ${release.variant}`,
        );
      }
    } catch (error) {
      throw new StepError(
        'REJECTED',
        codeOf(error, 'signature-refused'),
        `the release is refused: ${messageOf(error)}`,
      );
    }
    const draft = `${folder}.new`;
    await rm(draft, { recursive: true, force: true });
    try {
      for (const [name, content] of files) {
        const path = join(draft, name);
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await writeFile(path, content, { mode: 0o600 });
      }
      await rename(draft, folder);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw new StepError(
        'FAILED',
        'memory-full',
        `the opened release does not fit into memory-backed storage: ${messageOf(error)}`,
      );
    }
    return folder;
  }

  /** Removes the plain files of a release that no worker uses any more. */
  async close(digest: string): Promise<void> {
    await rm(join(this.plainFolder, digest), { recursive: true, force: true });
  }

  /** Removes sealed files but those of `keep`. */
  async collectGarbage(keep: readonly (HeldRelease | null)[]): Promise<void> {
    const names = new Set(
      keep.filter((release) => release !== null).flatMap(({ sha256 }) => [sha256, `${sha256}.part`]),
    );
    for (const name of await readdir(this.sealedFolder)) {
      if (!names.has(name)) await rm(join(this.sealedFolder, name), { force: true });
    }
  }
}

async function* hashed(source: AsyncIterable<Buffer>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const codeOf = (error: unknown, otherwise: string): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code.toLowerCase() : otherwise;
