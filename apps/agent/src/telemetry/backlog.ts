import {
  type GapRecord,
  gapRecordSchema,
  MAX_PACKET_BYTES,
  type TelemetryRecord,
  telemetryBatchSchema,
} from '@aviary/protocol';
import { z } from 'zod';
import { bytesOnDisk, readJson, removeQuietly, type SpoolFiles } from './spool-files.ts';

const GAP = 'gap.json';
/** Metrics can be thinned, what happened cannot: the names of their files tell them apart without reading. */
const ENTRY = /^(\d+)-([me])\.json$/;

const MOST_RECORDS = 256;
const MOST_BATCH_BYTES = MAX_PACKET_BYTES / 2;
/** What is kept in memory while the disk takes nothing. */
const MOST_MEMORY_BYTES = 1024 * 1024;

const count = z.int().nonnegative();
const recordsSchema = telemetryBatchSchema.shape.records;
const gapFileSchema = z.object({ number: count, record: gapRecordSchema });

/** Up to where what was said has been numbered: entries by their counter, gaps by theirs. */
export const reachSchema = z.object({ entries: count, gaps: count });
export type Reach = z.infer<typeof reachSchema>;

/** Something that a person should know. Must not throw. */
export type OnTrouble = (code: string, words: string) => void;

/** What has waited longest, for one batch. */
export interface Portion {
  readonly records: readonly TelemetryRecord[];
  /** Reached when it is numbered. */
  readonly reach: Reach;
}

interface Entry {
  readonly counter: number;
  readonly name: string;
  /** On the disk, or of the text in memory. */
  readonly bytes: number;
  readonly expendable: boolean;
  /** Kept in memory only, because the disk did not take it. */
  readonly memory: readonly TelemetryRecord[] | undefined;
}

/** What waits and has no number yet, so that it can be thinned without leaving a hole in the numbers. */
export class Backlog {
  readonly #files: SpoolFiles;
  readonly #maxBytes: number;
  readonly #onTrouble: OnTrouble;
  #queue: Entry[] = [];
  #counter = 0;
  #gap: z.infer<typeof gapFileSchema> | undefined;
  #gapCounter = 0;
  #inTrouble = false;
  /** Names of files of which it was said that they cannot be read. */
  readonly #damaged = new Set<string>();

  /** @param maxBytes most that may wait on the disk */
  constructor(files: SpoolFiles, maxBytes: number, onTrouble: OnTrouble) {
    this.#files = files;
    this.#maxBytes = maxBytes;
    this.#onTrouble = onTrouble;
  }

  /** Finds what waits since an earlier run; a removal may have been undone by a power cut: it is told by its counter. */
  async open({ entries, gaps }: Reach): Promise<void> {
    const gap = gapFileSchema.safeParse(await readJson(this.#files, GAP)).data;
    if (gap !== undefined && gap.number > gaps) this.#gap = gap;
    this.#gapCounter = this.#gap?.number ?? gaps;
    this.#counter = entries;
    for (const { name, length } of await this.#files.list()) {
      const [, digits, kind] = ENTRY.exec(name) ?? [];
      if (digits === undefined) continue;
      const counter = Number(digits);
      if (counter <= entries) {
        await removeQuietly(this.#files, name);
        continue;
      }
      this.#counter = Math.max(this.#counter, counter);
      this.#queue.push({ counter, name, bytes: bytesOnDisk(length), expendable: kind === 'm', memory: undefined });
    }
    this.#queue.sort((a, b) => a.counter - b.counter);
  }

  /** What waits on the disk. */
  get bytes(): number {
    return this.#queue.reduce((sum, { bytes, memory }) => (memory === undefined ? sum + bytes : sum), 0);
  }

  get isEmpty(): boolean {
    return this.#gap === undefined && this.#queue.length === 0;
  }

  /** Keeps records, in order: on disk, or in memory when that is full. Over the bound others are let go. */
  async append(records: readonly TelemetryRecord[]): Promise<void> {
    const expendable = records.every((record) => record.type === 'metrics');
    const text = JSON.stringify(records);
    this.#counter += 1;
    const counter = this.#counter;
    const name = `${String(counter).padStart(12, '0')}-${expendable ? 'm' : 'e'}.json`;
    const length = Buffer.byteLength(text);
    try {
      await this.#files.write(name, text);
      this.#inTrouble = false;
      this.#queue.push({ counter, name, bytes: bytesOnDisk(length), expendable, memory: undefined });
    } catch (error) {
      this.#queue.push({ counter, name, bytes: length, expendable, memory: records });
      this.#trouble(`telemetry is kept in memory, the disk does not take it: ${wordsOf(error)}`);
    }
    await this.#thin('disk', this.#maxBytes);
    await this.#thin('memory', MOST_MEMORY_BYTES);
  }

  /**
   * What goes into the next batch; undefined when nothing waits. First of all what was let go: it waited longest.
   * @param after up to where everything has been numbered
   */
  async next(after: Reach): Promise<Portion | undefined> {
    if (this.#gap !== undefined) {
      return { records: [this.#gap.record], reach: { ...after, gaps: this.#gap.number } };
    }
    while (this.#queue.length > 0) {
      const records: TelemetryRecord[] = [];
      let bytes = 0;
      let last = 0;
      for (const entry of this.#queue) {
        const more = await this.#recordsOf(entry);
        const size = Buffer.byteLength(JSON.stringify(more));
        const fits = records.length + more.length <= MOST_RECORDS && bytes + size <= MOST_BATCH_BYTES;
        if (records.length > 0 && !fits) break;
        last = entry.counter;
        records.push(...more);
        bytes += size;
      }
      const reach = { ...after, entries: last };
      if (records.length > 0) return { records, reach };
      await this.letGo(reach);
    }
    return undefined;
  }

  /** What was numbered up to there waits no more. */
  async letGo({ entries, gaps }: Reach): Promise<void> {
    if (this.#gap !== undefined && this.#gap.number <= gaps) {
      this.#gap = undefined;
      await removeQuietly(this.#files, GAP);
    }
    const gone = this.#queue.filter(({ counter }) => counter <= entries);
    this.#queue = this.#queue.slice(gone.length);
    for (const { name, memory } of gone) if (memory === undefined) await removeQuietly(this.#files, name);
  }

  /** Over the bound the oldest metrics go first, what happened last; a record says what was let go. */
  async #thin(where: 'disk' | 'memory', bound: number): Promise<void> {
    const isThere = (entry: Entry): boolean => (entry.memory === undefined) === (where === 'disk');
    const there = this.#queue.filter(isThere);
    let bytes = there.reduce((sum, entry) => sum + entry.bytes, 0);
    const goes = new Set<Entry>();
    for (const entry of [...there.filter(({ expendable }) => expendable), ...there.filter((one) => !one.expendable)]) {
      // The newest stays, however large it is.
      if (bytes <= bound || entry === there.at(-1)) continue;
      bytes -= entry.bytes;
      goes.add(entry);
    }
    if (goes.size === 0) return;
    const records: TelemetryRecord[] = [];
    for (const entry of goes) records.push(...(await this.#recordsOf(entry)));
    await this.#addToGap(records);
    this.#queue = this.#queue.filter((entry) => !goes.has(entry));
    for (const { name, memory } of goes) if (memory === undefined) await removeQuietly(this.#files, name);
  }

  async #addToGap(records: readonly TelemetryRecord[]): Promise<void> {
    let record: GapRecord | undefined = this.#gap?.record;
    for (const { at, type } of records) {
      record = {
        type: 'gap',
        at: Math.min(record?.at ?? at, at),
        until: Math.max(record?.until ?? at, at),
        thinned: { ...record?.thinned, [type]: (record?.thinned[type] ?? 0) + 1 },
      };
    }
    if (record === undefined) return;
    if (this.#gap === undefined) this.#gapCounter += 1;
    this.#gap = { number: this.#gapCounter, record };
    // Noted before the records are gone; on a full disk it is at least in memory.
    await this.#files.write(GAP, JSON.stringify(this.#gap), true).catch(() => undefined);
  }

  async #recordsOf({ name, memory }: Entry): Promise<readonly TelemetryRecord[]> {
    if (memory !== undefined) return memory;
    const found = recordsSchema.safeParse(await readJson(this.#files, name)).data;
    if (found === undefined && !this.#damaged.has(name)) {
      this.#damaged.add(name);
      this.#onTrouble('spool-damaged', `what was kept in ${name} cannot be read, and is lost`);
    }
    return found ?? [];
  }

  #trouble(words: string): void {
    if (this.#inTrouble) return;
    this.#inTrouble = true;
    this.#onTrouble('spool-not-written', words);
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
