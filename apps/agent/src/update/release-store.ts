import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import {
  filePieces,
  MANIFEST_FILE,
  openHeader,
  openPayload,
  SIGNATURE_FILE,
  type UnpackedArchive,
  UnpackedFileError,
  unpackArchive,
  verifyVariant,
} from '@aviary/release';
import type { Identity } from '../identity/identity.ts';
import { isDiskFull } from '../state/full-disk.ts';
import type { HeldRelease } from '../state/journal.ts';
import { download } from './download.ts';
import type { Reception } from './reception.ts';
import { StepError } from './step-error.ts';

/** Room that an update must leave on the disk. */
const SPARE_DISK_BYTES = 32 * 1024 * 1024;

/** From where sealed bytes come, and for how long. */
export type SealedSource = Omit<Reception, 'have' | 'length'>;

/** Releases on this device: sealed on disk under their digest, opened in memory only. */
export class ReleaseStore {
  readonly #sealedFolder: string;
  readonly #plainFolder: string;
  readonly #identity: Pick<Identity, 'ageIdentity'>;

  /**
   * @param sealedFolder on the disk
   * @param plainFolder in memory, this device's own, empty
   */
  constructor(sealedFolder: string, plainFolder: string, identity: Pick<Identity, 'ageIdentity'>) {
    this.#sealedFolder = sealedFolder;
    this.#plainFolder = plainFolder;
    this.#identity = identity;
  }

  /** Makes its folder; on a full disk that is left to the first download. */
  async start(): Promise<void> {
    try {
      await this.#makeFolder();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  async #makeFolder(): Promise<void> {
    await mkdir(this.#sealedFolder, { recursive: true, mode: 0o700 });
  }

  /** Where the sealed bytes with this SHA-256 are, or are to be. */
  sealedPath(sha256: string): string {
    return join(this.#sealedFolder, sha256);
  }

  /** Brings the sealed bytes of a release here. @throws as `download` */
  fetch({ sha256, length }: HeldRelease, source: SealedSource): Promise<void> {
    return download({ path: this.sealedPath(sha256), length, sha256, ...source });
  }

  /** @throws StepError `disk-full` before a byte is fetched */
  async checkSpace(release: HeldRelease): Promise<void> {
    try {
      await this.#makeFolder();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new StepError('FAILED', 'disk-full', 'the disk has no room for a folder of releases; free some space');
    }
    const { bavail, bsize } = await statfs(this.#sealedFolder);
    const part = await stat(`${this.sealedPath(release.sha256)}.part`).then(
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
   * What it holds in memory does not grow with the release.
   * @throws StepError
   */
  async open(release: HeldRelease): Promise<string> {
    const folder = join(this.#plainFolder, release.digest);
    if ((await stat(folder).catch(() => undefined)) !== undefined) return folder;
    const draft = `${folder}.new`;
    await rm(draft, { recursive: true, force: true });
    try {
      const unpacked = await this.#unpack(release, draft);
      this.#verify(release, unpacked);
      await rename(draft, folder).catch(refuseMemory);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
    return folder;
  }

  /** Sees that a release is sealed to this device, without opening it. @throws StepError */
  checkHeader(release: HeldRelease): void {
    try {
      this.#fileKeyOf(release);
    } catch (error) {
      throw doesNotOpen(error);
    }
  }

  #fileKeyOf({ ageHeader }: HeldRelease): Buffer {
    return openHeader(Buffer.from(ageHeader, 'base64'), this.#identity.ageIdentity);
  }

  /** @throws StepError */
  async #unpack(release: HeldRelease, draft: string): Promise<UnpackedArchive> {
    try {
      const fileKey = this.#fileKeyOf(release);
      const sealed = filePieces(this.sealedPath(release.sha256));
      return await unpackArchive(openPayload(fileKey, sealed), draft, [SIGNATURE_FILE, MANIFEST_FILE]);
    } catch (error) {
      if (error instanceof UnpackedFileError) refuseMemory(error.cause);
      throw doesNotOpen(error);
    }
  }

  /** @throws StepError */
  #verify(release: HeldRelease, unpacked: UnpackedArchive): void {
    if (unpacked.digest !== release.digest) {
      throw new StepError(
        'FAILED',
        'digest-mismatch',
        `expected the archive ${release.digest}, opened ${unpacked.digest}`,
      );
    }
    try {
      verifyVariant(unpacked, release);
    } catch (error) {
      throw new StepError(
        'REJECTED',
        codeOf(error, 'signature-refused'),
        `the release is refused: ${messageOf(error)}`,
      );
    }
  }

  /**
   * Removes what no longer counts.
   * @param sealed SHA-256 of the sealed files to keep
   * @param plain digests of the opened releases to keep
   */
  async collectGarbage(sealed: readonly string[], plain: readonly string[]): Promise<void> {
    const names = new Set(sealed.flatMap((sha256) => [sha256, `${sha256}.part`]));
    await removeOthers(this.#sealedFolder, names);
    await removeOthers(this.#plainFolder, new Set(plain));
  }
}

const removeOthers = async (folder: string, kept: ReadonlySet<string>): Promise<void> => {
  // A full disk may not have taken the folder yet.
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    if (!kept.has(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
};

const refuseMemory = (error: unknown): never => {
  throw new StepError(
    'FAILED',
    'memory-full',
    `the opened release does not fit into memory-backed storage: ${messageOf(error)}`,
  );
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const codeOf = (error: unknown, otherwise: string): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code.toLowerCase() : otherwise;

const doesNotOpen = (error: unknown): StepError =>
  new StepError('FAILED', codeOf(error, 'cannot-open'), `the release does not open: ${messageOf(error)}`);
