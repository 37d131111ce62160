import { createHash } from 'node:crypto';
import type { KeptMetadata, MetadataFiles } from '@aviary/release';
import { z } from 'zod';
import type { JournalCopy, JournalFiles } from '../state/journal-files.ts';
import type { SpoolFiles } from '../telemetry/spool-files.ts';

/** A disk as it is written to the state directory between two runs. Metadata is not: it is fetched and verified anew. */
export const diskImageSchema = z.object({
  journal: z.string().nullable(),
  spool: z.record(z.string(), z.string()),
});
export type DiskImage = z.infer<typeof diskImageSchema>;

export const EMPTY_DISK: DiskImage = { journal: null, spool: {} };

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1);

/** A spool's folder in memory. */
class SimulatedSpool implements SpoolFiles {
  readonly files: Map<string, string>;

  constructor(files: Readonly<Record<string, string>>) {
    this.files = new Map(Object.entries(files));
  }

  async open(): Promise<void> {}

  async list() {
    return [...this.files].map(([name, text]) => ({ name, length: Buffer.byteLength(text) })).sort(byName);
  }

  async read(name: string): Promise<string | undefined> {
    return this.files.get(name);
  }

  async write(name: string, content: string): Promise<void> {
    this.files.set(name, content);
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
}

/** Is asked before each change of a journal. What it returns is waited for, for ever where the disk hangs. */
export type BeforeJournal = (text: string) => Promise<void> | undefined;

/** A journal in memory. */
class SimulatedJournal implements JournalFiles {
  readonly #before: BeforeJournal;
  #copies: Record<JournalCopy, string | undefined>;

  constructor(text: string | null, before: BeforeJournal) {
    this.#copies = { current: text ?? undefined, last: undefined };
    this.#before = before;
  }

  async read(copy: JournalCopy): Promise<string | undefined> {
    return this.#copies[copy];
  }

  async replace(text: string): Promise<void> {
    await this.#before(text);
    this.#copies = { current: text, last: this.#copies.current };
  }

  async putAside(): Promise<void> {
    this.#copies.current = undefined;
  }
}

/** Metadata of many devices: what is the same is there once. */
export class SharedMetadata {
  readonly #files = new Map<string, Buffer>();

  /** What one device keeps. */
  keptMetadata(): KeptMetadata {
    let kept: MetadataFiles | undefined;
    return {
      read: async () => kept,
      write: async ({ root, targets, snapshot, timestamp }) => {
        const share = (file: Buffer) => this.#share(file);
        kept = { root: share(root), targets: share(targets), snapshot: share(snapshot), timestamp: share(timestamp) };
      },
    };
  }

  #share(file: Buffer): Buffer {
    const digest = createHash('sha256').update(file).digest('base64');
    const known = this.#files.get(digest) ?? file;
    this.#files.set(digest, known);
    return known;
  }
}

/**
 * What lies on a device's disk, in memory: thousands of disks that sync each change are more than a machine has.
 */
export class SimulatedDisk {
  readonly journal: JournalFiles;
  readonly spool: SpoolFiles;
  readonly metadata: KeptMetadata;
  readonly #spool: SimulatedSpool;

  constructor({ journal, spool }: DiskImage, metadata: KeptMetadata, before: BeforeJournal) {
    this.journal = new SimulatedJournal(journal, before);
    this.#spool = new SimulatedSpool(spool);
    this.spool = this.#spool;
    this.metadata = metadata;
  }

  async image(): Promise<DiskImage> {
    return { journal: (await this.journal.read('current')) ?? null, spool: Object.fromEntries(this.#spool.files) };
  }
}
