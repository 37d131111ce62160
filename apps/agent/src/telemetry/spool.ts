import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type GapRecord,
  type TelemetryAck,
  type TelemetryBatch,
  type TelemetryRecord,
  telemetryBatchSchema,
} from '@aviary/protocol';
import type { Logger } from 'pino';
import { z } from 'zod';
import { writeDurably } from '../state/durable-file.ts';

const POSITION = 'position.json';
const IN_FLIGHT = 'in-flight.json';

const recordsSchema = telemetryBatchSchema.shape.records;
const inFlightSchema = z.object({ batch: telemetryBatchSchema, from: z.string().optional() });
const positionSchema = z.object({ epoch: z.number().int(), seq: z.number().int().nonnegative() });

interface Entry {
  readonly name: string;
  readonly bytes: number;
  readonly expendable: boolean;
  /** Kept in memory only, because the disk did not take it. */
  readonly memory: readonly TelemetryRecord[] | undefined;
}

/** Metrics can be thinned, what happened cannot: the names of their files tell them apart without reading. */
const METRICS = 'm';
const EVENTS = 'e';

/**
 * What the device has said and the control plane has not yet stored: a bounded folder of small files. A batch gets its
 * number when it is about to be sent first, and that is on disk before the sending, so that a number never means two
 * things; what still waits has none and can be thinned without leaving a hole.
 */
export class Spool {
  private queue: Entry[] = [];
  private bytes = 0;
  private counter = 0;
  private inFlight: TelemetryBatch | undefined;
  private position = { epoch: 0, seq: 0 };
  private gap: GapRecord | undefined;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly directory: string,
    private readonly epoch: number,
    private readonly maxBytes: number,
    private readonly log: Logger,
  ) {}

  /** Finds what an earlier run left behind. */
  async open(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const position = positionSchema.safeParse(await this.readJson(POSITION));
    this.position =
      position.success && position.data.epoch === this.epoch ? position.data : { epoch: this.epoch, seq: 0 };
    const inFlight = inFlightSchema.safeParse(await this.readJson(IN_FLIGHT));
    if (inFlight.success) {
      const { batch, from } = inFlight.data;
      // Of an earlier epoch it was never acknowledged either: its records go on under a new number.
      if (batch.epoch !== this.epoch) await this.number(batch.records, from);
      else if (batch.seq > this.position.seq) this.inFlight = batch;
      // It was numbered, and perhaps not yet taken from the queue.
      if (from !== undefined) await rm(join(this.directory, from), { force: true });
    }
    for (const name of (await readdir(this.directory)).sort()) {
      const match = /^(\d+)-([me])\.json$/.exec(name);
      if (match === null) continue;
      const { size } = await stat(join(this.directory, name));
      this.counter = Math.max(this.counter, Number(match[1]));
      this.queue.push({ name, bytes: size, expendable: match[2] === METRICS, memory: undefined });
      this.bytes += size;
    }
  }

  /** Keeps records for sending, in order. Resolves once they are on disk (or, when that is full, in memory). */
  append(records: readonly TelemetryRecord[]): Promise<void> {
    return this.exclusively(async () => {
      const expendable = records.every((record) => record.type === 'metrics');
      const text = JSON.stringify(records);
      this.counter += 1;
      const name = `${String(this.counter).padStart(12, '0')}-${expendable ? METRICS : EVENTS}.json`;
      let memory: readonly TelemetryRecord[] | undefined;
      try {
        await writeDurably(join(this.directory, name), text);
      } catch (error) {
        this.log.warn({ error: String(error) }, 'telemetry does not fit on the disk; it is kept in memory');
        await rm(join(this.directory, `${name}.new`), { force: true }).catch(() => undefined);
        memory = records;
      }
      this.queue.push({ name, bytes: Buffer.byteLength(text), expendable, memory });
      this.bytes += Buffer.byteLength(text);
      await this.thin();
    });
  }

  /** The batch to send now: always the same one until it is acknowledged. Undefined when there is nothing. */
  head(): Promise<TelemetryBatch | undefined> {
    return this.exclusively(async () => {
      while (this.inFlight === undefined) {
        if (this.gap !== undefined) {
          await this.number([this.gap], undefined);
          this.gap = undefined;
          break;
        }
        const entry = this.queue.shift();
        if (entry === undefined) break;
        this.bytes -= entry.bytes;
        const records = await this.recordsOf(entry);
        if (records.length > 0) await this.number(records, entry.name);
        await rm(join(this.directory, entry.name), { force: true });
      }
      return this.inFlight;
    });
  }

  /** Lets go of what is stored. @returns whether the next batch can be sent */
  acknowledge(ack: TelemetryAck): Promise<boolean> {
    return this.exclusively(async () => {
      const { inFlight } = this;
      if (inFlight === undefined || ack.epoch !== this.epoch) return false;
      if (ack.seq === inFlight.seq) {
        this.position = { epoch: this.epoch, seq: ack.seq };
        await this.write(POSITION, this.position);
        await rm(join(this.directory, IN_FLIGHT), { force: true });
        this.inFlight = undefined;
        return true;
      }
      if (ack.seq === inFlight.seq - 1) return false;
      // One of the two has lost its memory (a restored backup, a replaced card): go on where the database stands.
      this.position = { epoch: this.epoch, seq: ack.seq };
      await this.write(POSITION, this.position);
      await this.number(inFlight.records, undefined);
      return true;
    });
  }

  /** Bytes that wait, without what is in flight. */
  get waitingBytes(): number {
    return this.bytes;
  }

  private async recordsOf(entry: Entry): Promise<readonly TelemetryRecord[]> {
    return entry.memory ?? recordsSchema.safeParse(await this.readJson(entry.name)).data ?? [];
  }

  private async number(records: readonly TelemetryRecord[], from: string | undefined): Promise<void> {
    this.inFlight = { epoch: this.epoch, seq: this.position.seq + 1, records: [...records] };
    await this.write(IN_FLIGHT, { batch: this.inFlight, from });
  }

  /** Over the bound the oldest metrics go first, what happened last; a record says what was let go. */
  private async thin(): Promise<void> {
    while (this.bytes > this.maxBytes && this.queue.length > 1) {
      const index = Math.max(
        0,
        this.queue.findIndex((entry) => entry.expendable),
      );
      const [entry] = this.queue.splice(index, 1);
      if (entry === undefined) return;
      this.bytes -= entry.bytes;
      for (const record of await this.recordsOf(entry)) this.addToGap(record);
      await rm(join(this.directory, entry.name), { force: true });
    }
  }

  private addToGap(record: TelemetryRecord): void {
    const before = this.gap;
    const thinned = { ...before?.thinned, [record.type]: (before?.thinned[record.type] ?? 0) + 1 };
    this.gap = {
      type: 'gap',
      at: Math.min(before?.at ?? record.at, record.at),
      until: Math.max(before?.until ?? record.at, record.at),
      thinned,
    };
  }

  private async write(name: string, value: unknown): Promise<void> {
    await writeDurably(join(this.directory, name), JSON.stringify(value)).catch((error: unknown) => {
      // On a full disk the connection still works: better sent without a net than not at all.
      this.log.warn({ error: String(error), name }, 'the spool could not be written');
    });
  }

  private async readJson(name: string): Promise<unknown> {
    try {
      return JSON.parse(await readFile(join(this.directory, name), 'utf8'));
    } catch {
      return undefined;
    }
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work, work);
    this.turn = result.catch(() => undefined);
    return result;
  }
}
