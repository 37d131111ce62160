import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { type KeptMetadata, type MetadataFiles, MetadataFolder } from './metadata-folder.ts';
import {
  decodeMetadata,
  expiryOf,
  MAX_METADATA_BYTES,
  type RoleMetadata,
  TUF_ROLES,
  type TufRole,
} from './signed-metadata.ts';
import { TufError } from './tuf-error.ts';

/**
 * Gets a metadata file, e.g. `timestamp.json` or `3.root.json`, of at most `maxLength` bytes; undefined when the
 * repository has no such file. Throws when it cannot be asked.
 */
export type MetadataSource = (file: string, maxLength: number) => Promise<Uint8Array | undefined>;

/** A set of metadata that fits together and was signed as the root asks. */
export interface TrustedMetadata {
  readonly root: RoleMetadata<'root'>;
  readonly targets: RoleMetadata<'targets'>;
  readonly snapshot: RoleMetadata<'snapshot'>;
  readonly timestamp: RoleMetadata<'timestamp'>;
}

/**
 * Follows an image repository by the client's workflow of TUF 1.0.30, 5: what is kept changes as a whole, and only to
 * what is signed, newer, and not expired.
 */
export class ImageRepository {
  readonly #kept: KeptMetadata;
  readonly #pinnedRoot: string;
  readonly #source: MetadataSource;

  /**
   * @param kept where the last good metadata is kept: a folder of this repository's own, or something in its place
   * @param pinnedRoot root metadata that is believed from the beginning; what is kept is built on it, and fallen back to
   *   it when it is damaged
   */
  constructor(kept: string | KeptMetadata, pinnedRoot: string, source: MetadataSource) {
    this.#kept = typeof kept === 'string' ? new MetadataFolder(kept) : kept;
    this.#pinnedRoot = pinnedRoot;
    this.#source = source;
  }

  /**
   * Gets what is new.
   * @param now milliseconds since 1970, not before any signed time that was ever seen: a clock that is behind makes nothing
   *   valid that has expired
   * @throws TufError `metadata-expired`, `metadata-refused`; what the source threw. What is kept stays as it was then
   */
  async refresh(now: number): Promise<TrustedMetadata> {
    const kept = await this.#kept.read();
    let files: MetadataFiles;
    try {
      files = await this.#follow(kept);
    } catch (error) {
      // Damaged by a disk, since nothing is kept that was not good: begun anew from the pinned root.
      if (kept === undefined || isWhole(kept)) throw error;
      files = await this.#follow(undefined);
    }
    const trusted = decodeAll(files);
    for (const role of TUF_ROLES) {
      if (now < expiryOf(trusted[role])) continue;
      throw new TufError(
        'metadata-expired',
        `the ${role} metadata (version ${trusted[role].signed.version}) expired at ${trusted[role].signed.expires} and it is ${new Date(now).toISOString()}; ${HEALED_BY[role]}`,
      );
    }
    if (kept === undefined || TUF_ROLES.some((role) => !kept[role].equals(files[role]))) await this.#kept.write(files);
    return trusted;
  }

  /** One pass of the workflow, in a scratch folder, since the library writes each file as it comes. */
  async #follow(kept: MetadataFiles | undefined): Promise<MetadataFiles> {
    const scratch = await mkdtemp(join(tmpdir(), 'aviary-metadata-'));
    const fetcher = new SourceFetcher(this.#source);
    try {
      if (kept === undefined) await writeFile(join(scratch, 'root.json'), this.#pinnedRoot);
      else for (const role of TUF_ROLES) await writeFile(join(scratch, `${role}.json`), kept[role]);
      const updater = new Updater({
        metadataDir: scratch,
        metadataBaseUrl: BASE_URL,
        fetcher,
        config: {
          rootMaxLength: MAX_METADATA_BYTES.root,
          timestampMaxLength: MAX_METADATA_BYTES.timestamp,
          snapshotMaxLength: MAX_METADATA_BYTES.snapshot,
          targetsMaxLength: MAX_METADATA_BYTES.targets,
        },
      });
      await updater.refresh();
      const read = (role: TufRole) => readFile(join(scratch, `${role}.json`));
      const [root, targets, snapshot, timestamp] = await Promise.all(TUF_ROLES.map(read));
      if (root === undefined || targets === undefined || snapshot === undefined || timestamp === undefined) {
        throw new TufError('metadata-incomplete', 'expected metadata of all four roles');
      }
      return { root, targets, snapshot, timestamp };
    } catch (cause) {
      // Not reached is not refused; the library wraps the one into the words of the other.
      if (fetcher.failure !== undefined) throw fetcher.failure;
      if (cause instanceof TufError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      const code = /expired/i.test(why) ? 'metadata-expired' : 'metadata-refused';
      throw new TufError(code, `the image repository is refused: ${why}`, { cause });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
}

/** Never asked for: the source knows where the repository is. */
const BASE_URL = 'https://image-repository.invalid';

const HEALED_BY: Readonly<Record<TufRole, string>> = {
  root: 'whoever holds the root keys has to sign a new one',
  targets: 'the publisher has to sign new ones',
  snapshot: 'the control plane renews it while it runs',
  timestamp: 'the control plane renews it while it runs',
};

/** tuf-js asks for files by address, and knows that one is missing by a DownloadHTTPError. */
class SourceFetcher extends BaseFetcher {
  /** Why the source could not be asked. */
  failure: unknown;
  readonly #source: MetadataSource;

  constructor(source: MetadataSource) {
    super();
    this.#source = source;
  }

  override async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const file = new URL(url).pathname.slice(1);
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#source(file, maxLength);
    } catch (error) {
      this.failure = error;
      throw error;
    }
    if (bytes === undefined) throw new DownloadHTTPError(`there is no ${file}`, 404);
    if (bytes.length > maxLength) throw new Error(`${file} is longer than the ${maxLength} bytes that were announced`);
    return Buffer.from(bytes);
  }

  override async fetch(): Promise<never> {
    throw new Error('metadata comes whole, not as a stream');
  }
}

const decodeAll = (files: MetadataFiles): TrustedMetadata => ({
  root: decodeMetadata('root', files.root.toString('utf8')),
  targets: decodeMetadata('targets', files.targets.toString('utf8')),
  snapshot: decodeMetadata('snapshot', files.snapshot.toString('utf8')),
  timestamp: decodeMetadata('timestamp', files.timestamp.toString('utf8')),
});

/** One turned bit leaves JSON, and a root that nobody has signed: nothing newer fits to it, for ever. */
const isWhole = (files: MetadataFiles): boolean => {
  try {
    const { root } = decodeAll(files);
    root.verifyDelegate('root', root);
    return true;
  } catch {
    return false;
  }
};
