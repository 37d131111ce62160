import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openHeader } from '@aviary/release';
import type { Identity } from '../identity/identity.ts';
import type { HeldRelease } from '../state/journal.ts';
import { DownloadCorruptError, demandWhole, interruptionOf, receive } from '../update/reception.ts';
import { ReleaseStore, type SealedSource } from '../update/release-store.ts';
import { StepError } from '../update/step-error.ts';
import type { UpdaterParts } from '../update/updater.ts';
import type { TakeTime } from './simulated-worker.ts';

/** What a device's network brings in a millisecond: 20 MB a second. */
const BYTES_PER_MS = 20_000;
const OPENING_MS = 300;

interface Opened {
  readonly fileKey: Buffer;
  readonly folder: string;
}

/**
 * Releases of many devices on this machine, on its disk and opened once. Each device fetches all bytes over its own
 * connection and compares them with what was signed; all but the first then let them go. The first that opens a release
 * decrypts and verifies it as a board does. Each device after it opens the header that is sealed to it: it finds the same
 * file key, and with it the same file.
 */
export class SharedReleases {
  readonly #folder: string;
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #fetched = new Map<string, Promise<void>>();
  #plain = '';

  /** @param folder where sealed files are kept, and opened ones while it runs */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    await mkdir(join(this.#folder, 'releases'), { recursive: true, mode: 0o700 });
    this.#plain = await mkdtemp(join(this.#folder, 'opened-'));
  }

  async stop(): Promise<void> {
    await rm(this.#plain, { recursive: true, force: true });
  }

  /** What one device has of a store. */
  storeOf(identity: Pick<Identity, 'ageIdentity'>, takeTime: TakeTime): UpdaterParts['store'] {
    const own = new ReleaseStore(join(this.#folder, 'releases'), this.#plain, identity);
    return {
      checkSpace: async () => undefined,
      checkHeader: (release) => own.checkHeader(release),
      fetch: async (release, source) => {
        await this.#fetch(own, release, source);
        await takeTime(release.length / BYTES_PER_MS);
      },
      open: async (release) => {
        await takeTime(OPENING_MS);
        return this.#open(own, release, identity);
      },
      // What others still need is not this device's to remove.
      collectGarbage: async () => undefined,
    };
  }

  async #fetch(own: ReleaseStore, release: HeldRelease, source: SealedSource): Promise<void> {
    const others = this.#fetched.get(release.sha256);
    if (others !== undefined) {
      await receiveAndForget(release, source);
      const isHere = await others.then(
        () => true,
        () => false,
      );
      if (isHere) return;
    }
    const fetched = own.fetch(release, source);
    this.#fetched.set(release.sha256, fetched);
    await fetched;
  }

  async #open(own: ReleaseStore, release: HeldRelease, identity: Pick<Identity, 'ageIdentity'>): Promise<string> {
    const fileKey = fileKeyOf(release, identity);
    const { sha256, digest, publisherKey, release: name, variant, releaseCounter } = release;
    const what = [sha256, digest, publisherKey, name, variant, releaseCounter].join(' ');
    let opened = this.#opened.get(what);
    if (opened === undefined) {
      opened = own.open(release).then((folder) => ({ fileKey, folder }));
      this.#opened.set(what, opened);
      opened.catch(() => this.#opened.delete(what));
    }
    const first = await opened;
    if (fileKey.equals(first.fileKey)) return first.folder;
    throw new StepError('FAILED', 'cannot-open', 'the release does not open: its header holds another file key');
  }
}

/** @throws StepError */
const fileKeyOf = ({ ageHeader }: HeldRelease, { ageIdentity }: Pick<Identity, 'ageIdentity'>): Buffer => {
  try {
    return openHeader(Buffer.from(ageHeader, 'base64'), ageIdentity);
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new StepError('FAILED', 'cannot-open', `the release does not open: ${why}`);
  }
};

/** Lets all bytes come, and compares them with what was signed. @throws as `download` */
const receiveAndForget = async ({ sha256, length }: HeldRelease, source: SealedSource): Promise<void> => {
  const hash = createHash('sha256');
  try {
    const receiver = { begin: async () => undefined, take: async (chunk: Buffer) => void hash.update(chunk) };
    demandWhole(await receive({ have: 0, length, ...source }, receiver), length);
  } catch (error) {
    throw interruptionOf(error);
  }
  const actual = hash.digest('hex');
  if (actual !== sha256) throw new DownloadCorruptError(`expected bytes with SHA-256 ${sha256}, got ${actual}`);
};
