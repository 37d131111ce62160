import {
  type GapRecord,
  gapRecordSchema,
  MAX_PACKET_BYTES,
  type TelemetryAck,
  type TelemetryBatch,
  type TelemetryRecord,
  telemetryBatchSchema,
} from '@aviary/protocol';
import { z } from 'zod';
import { bytesOnDisk, type SpoolFiles } from './spool-files.ts';

const POSITION = 'position.json';
const IN_FLIGHT = 'in-flight.json';
const GAP = 'gap.json';
/** Metrics can be thinned, what happened cannot: the names of their files tell them apart without reading. */
const ENTRY = /^(\d+)-([me])\.json$/;

const MOST_RECORDS = 256;
const MOST_BATCH_BYTES = MAX_PACKET_BYTES / 2;
/** What is kept in memory while the disk takes nothing. */
const MOST_MEMORY_BYTES = 1024 * 1024;

const count = z.number().int().nonnegative();
const recordsSchema = telemetryBatchSchema.shape.records;
/** Up to where what was said has been numbered: entries by their counter, gaps by theirs. */
const reachSchema = z.object({ entries: count, gaps: count });
const positionSchema = z.object({ deviceId: z.string(), epoch: count, seq: count, reach: reachSchema });
const inFlightSchema = z.object({ batch: telemetryBatchSchema, reach: reachSchema });
const gapFileSchema = z.object({ number: count, record: gapRecordSchema });

interface Entry {
  readonly counter: number;
  readonly name: string;
  /** On the disk, or of the text in memory. */
  readonly bytes: number;
  readonly expendable: boolean;
  /** Kept in memory only, because the disk did not take it. */
  readonly memory: readonly TelemetryRecord[] | undefined;
}

export interface SpoolOptions {
  readonly deviceId: string;
  readonly epoch: number;
  /** Most that may wait on the disk. */
  readonly maxBytes: number;
  /** Something that a person should know. Called once while it lasts; must not throw. */
  readonly onTrouble: (code: string, words: string) => void;
}

/**
 * What the device has said and the control plane has not yet stored: a bounded folder of small files. A batch gets its
 * number when it is about to be sent first, and that is on disk before the sending, so that a number never means two
 * things; what still waits has none and can be thinned without leaving a hole in the numbers.
 */
export class Spool {
  readonly #files: SpoolFiles;
  readonly #options: SpoolOptions;
  #queue: Entry[] = [];
  #counter = 0;
  #seq = 0;
  /** Of what is acknowledged. */
  #reach = { entries: 0, gaps: 0 };
  #inFlight: z.infer<typeof inFlightSchema> | undefined;
  #gap: z.infer<typeof gapFileSchema> | undefined;
  #inTrouble = false;
  /** A lower acknowledgement that was heard once: it may be an old one, late. */
  #suspicion: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(files: SpoolFiles, options: SpoolOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** Finds what an earlier run left behind. What another device said, before this one joined, is let go. */
  async open(): Promise<void> {
    await this.#files.open();
    const { deviceId, epoch } = this.#options;
    const position = positionSchema.safeParse(await this.#json(POSITION)).data;
    if (position !== undefined && position.deviceId !== deviceId) {
      for (const { name } of await this.#files.list()) await this.#files.remove(name);
    } else if (position !== undefined) {
      this.#reach = position.reach;
      if (position.epoch === epoch) this.#seq = position.seq;
    }
    await this.#openInFlight();
    const reach = this.#inFlight?.reach ?? this.#reach;
    const gap = gapFileSchema.safeParse(await this.#json(GAP)).data;
    // A removal may be undone by a power cut: what was numbered before is known by its counter.
    if (gap !== undefined && gap.number > reach.gaps) this.#gap = gap;
    this.#counter = reach.entries;
    for (const { name, length } of await this.#files.list()) {
      const [, digits, kind] = ENTRY.exec(name) ?? [];
      if (digits === undefined) continue;
      const counter = Number(digits);
      if (counter <= reach.entries) {
        await this.#files.remove(name);
        continue;
      }
      this.#counter = Math.max(this.#counter, counter);
      this.#queue.push({ counter, name, bytes: bytesOnDisk(length), expendable: kind === 'm', memory: undefined });
    }
    this.#queue.sort((a, b) => a.counter - b.counter);
    // Whose folder this is must be known before anything is put into it.
    if (position?.deviceId !== deviceId) await this.#savePosition().catch(() => undefined);
  }

  /** Keeps records for sending, in order. Resolves once they are on disk (or, when that is full, in memory). */
  append(records: readonly TelemetryRecord[]): Promise<void> {
    return this.#exclusively(async () => {
      const expendable = records.every((record) => record.type === 'metrics');
      const text = JSON.stringify(records);
      this.#counter += 1;
      const counter = this.#counter;
      const name = `${String(counter).padStart(12, '0')}-${expendable ? 'm' : 'e'}.json`;
      try {
        await this.#files.write(name, text);
        this.#inTrouble = false;
        this.#queue.push({ counter, name, bytes: bytesOnDisk(Buffer.byteLength(text)), expendable, memory: undefined });
      } catch (error) {
        this.#trouble('spool-not-written', `telemetry is kept in memory, the disk does not take it: ${wordsOf(error)}`);
        this.#queue.push({ counter, name, bytes: Buffer.byteLength(text), expendable, memory: records });
      }
      await this.#thin('disk', this.#options.maxBytes);
      await this.#thin('memory', MOST_MEMORY_BYTES);
    });
  }

  /**
   * The batch to send now: always the same one until it is acknowledged. Undefined when there is nothing, or when the
   * disk cannot even note which number is being used: then it has to be asked again later.
   */
  head(): Promise<TelemetryBatch | undefined> {
    return this.#exclusively(async () => {
      while (this.#inFlight === undefined && this.isWaiting) {
        if (!(await this.#numberNext())) return undefined;
      }
      return this.#inFlight?.batch;
    });
  }

  /** Lets go of what is stored. @returns whether there is something to send at once: the next batch, or this one again */
  acknowledge(ack: TelemetryAck): Promise<boolean> {
    return this.#exclusively(async () => {
      const inFlight = this.#inFlight;
      if (inFlight === undefined || ack.epoch !== this.#options.epoch) return false;
      const { seq, records } = inFlight.batch;
      if (ack.seq === seq) {
        this.#seq = seq;
        this.#reach = inFlight.reach;
        this.#suspicion = undefined;
        await this.#savePosition();
        await this.#files.remove(IN_FLIGHT);
        this.#inFlight = undefined;
        return true;
      }
      // Said before it came: the answer to the batch before.
      if (ack.seq === seq - 1) return false;
      if (ack.seq < seq && this.#suspicion !== ack.seq) {
        this.#suspicion = ack.seq;
        return true;
      }
      // One of the two has lost its memory (a restored backup, a replaced card): go on where the database stands.
      this.#suspicion = undefined;
      this.#options.onTrouble(
        'telemetry-renumbered',
        `the control plane stands at telemetry batch ${ack.seq}, this device was at ${seq}; it goes on from there`,
      );
      await this.#number(records, inFlight.reach, ack.seq);
      return true;
    });
  }

  /** Whether anything waits that has no number yet. */
  get isWaiting(): boolean {
    return this.#gap !== undefined || this.#queue.length > 0;
  }

  async #openInFlight(): Promise<void> {
    const found = inFlightSchema.safeParse(await this.#json(IN_FLIGHT)).data;
    if (found === undefined) return;
    const isStored = found.reach.entries <= this.#reach.entries && found.reach.gaps <= this.#reach.gaps;
    if (isStored) {
      await this.#files.remove(IN_FLIGHT);
    } else if (found.batch.epoch === this.#options.epoch) {
      this.#inFlight = found;
      this.#seq = found.batch.seq - 1;
    } else {
      await this.#number(found.batch.records, found.reach, this.#seq);
    }
  }

  /** Puts what has waited longest into a batch. @returns false when the disk refuses */
  async #numberNext(): Promise<boolean> {
    if (this.#gap !== undefined) {
      const { number, record } = this.#gap;
      if (!(await this.#tryNumber([record], { ...this.#reach, gaps: number }))) return false;
      this.#gap = undefined;
      await this.#files.remove(GAP);
      return true;
    }
    const taken: Entry[] = [];
    const records: TelemetryRecord[] = [];
    let bytes = 0;
    for (const entry of this.#queue) {
      const more = await this.#recordsOf(entry);
      const size = Buffer.byteLength(JSON.stringify(more));
      const fits = records.length + more.length <= MOST_RECORDS && bytes + size <= MOST_BATCH_BYTES;
      if (records.length > 0 && !fits) break;
      taken.push(entry);
      records.push(...more);
      bytes += size;
    }
    const last = taken.at(-1);
    if (last === undefined) return false;
    const reach = { ...this.#reach, entries: last.counter };
    // Files that cannot be read any more are passed over; an empty batch is none.
    if (records.length > 0 && !(await this.#tryNumber(records, reach))) return false;
    this.#queue = this.#queue.slice(taken.length);
    for (const { name, memory } of taken) if (memory === undefined) await this.#files.remove(name);
    return true;
  }

  async #tryNumber(records: readonly TelemetryRecord[], reach: z.infer<typeof reachSchema>): Promise<boolean> {
    try {
      await this.#number(records, reach, this.#seq);
      return true;
    } catch (error) {
      this.#trouble('spool-not-written', `nothing is sent, the disk cannot note what: ${wordsOf(error)}`);
      return false;
    }
  }

  async #number(records: readonly TelemetryRecord[], reach: z.infer<typeof reachSchema>, after: number): Promise<void> {
    const batch = { epoch: this.#options.epoch, seq: after + 1, records: [...records] };
    const inFlight = { batch, reach };
    await this.#files.write(IN_FLIGHT, JSON.stringify(inFlight), true);
    this.#inFlight = inFlight;
    this.#seq = after;
  }

  /** Over the bound the oldest metrics go first, what happened last; a record says what was let go. */
  async #thin(where: 'disk' | 'memory', bound: number): Promise<void> {
    const isThere = (entry: Entry): boolean => (entry.memory === undefined) === (where === 'disk');
    while (this.#bytes(where) > bound) {
      const there = this.#queue.filter(isThere);
      const entry = there.find(({ expendable }) => expendable) ?? there[0];
      if (entry === undefined || there.length === 1) return;
      await this.#addToGap(await this.#recordsOf(entry));
      this.#queue = this.#queue.filter((other) => other !== entry);
      if (entry.memory === undefined) await this.#files.remove(entry.name);
    }
  }

  async #addToGap(records: readonly TelemetryRecord[]): Promise<void> {
    const reach = this.#inFlight?.reach ?? this.#reach;
    const number = this.#gap?.number ?? reach.gaps + 1;
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
    this.#gap = { number, record };
    // Noted before the records are gone; on a full disk it is at least in memory.
    await this.#files.write(GAP, JSON.stringify(this.#gap), true).catch(() => undefined);
  }

  #bytes(where: 'disk' | 'memory'): number {
    return this.#queue.reduce(
      (sum, { bytes, memory }) => sum + ((memory === undefined) === (where === 'disk') ? bytes : 0),
      0,
    );
  }

  async #savePosition(): Promise<void> {
    const { deviceId, epoch } = this.#options;
    await this.#files.write(POSITION, JSON.stringify({ deviceId, epoch, seq: this.#seq, reach: this.#reach }), true);
  }

  async #recordsOf(entry: Entry): Promise<readonly TelemetryRecord[]> {
    return entry.memory ?? recordsSchema.safeParse(await this.#json(entry.name)).data ?? [];
  }

  #trouble(code: string, words: string): void {
    if (this.#inTrouble) return;
    this.#inTrouble = true;
    this.#options.onTrouble(code, words);
  }

  async #json(name: string): Promise<unknown> {
    try {
      return JSON.parse((await this.#files.read(name)) ?? '');
    } catch {
      return undefined;
    }
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
