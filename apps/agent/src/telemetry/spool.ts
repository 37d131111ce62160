import { type TelemetryAck, type TelemetryBatch, type TelemetryRecord, telemetryBatchSchema } from '@aviary/protocol';
import { z } from 'zod';
import { Backlog, type OnTrouble, type Portion, type Reach, reachSchema } from './backlog.ts';
import { readJson, removeQuietly, type SpoolFiles } from './spool-files.ts';

const POSITION = 'position.json';
const IN_FLIGHT = 'in-flight.json';

const count = z.int().nonnegative();
const positionSchema = z.object({ deviceId: z.string(), epoch: count, seq: count, reach: reachSchema });
const inFlightSchema = z.object({ batch: telemetryBatchSchema, reach: reachSchema });

export interface SpoolOptions {
  readonly deviceId: string;
  readonly epoch: number;
  /** Most that may wait on the disk. */
  readonly maxBytes: number;
  /** Something that a person should know. Called once while it lasts; must not throw. */
  readonly onTrouble: OnTrouble;
}

/**
 * What the device has said and the control plane has not yet stored: a bounded folder of small files. A batch gets its
 * number when it is about to be sent first, and that is on disk before the sending, so that a number never means two
 * things; until then it waits in the backlog.
 */
export class Spool {
  readonly #files: SpoolFiles;
  readonly #options: SpoolOptions;
  readonly #backlog: Backlog;
  #seq = 0;
  /** Of what is acknowledged. */
  #reach: Reach = { entries: 0, gaps: 0 };
  #inFlight: z.infer<typeof inFlightSchema> | undefined;
  #inTrouble = false;
  /** A lower acknowledgement that was heard once: it may be an old one, late. */
  #suspicion: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(files: SpoolFiles, options: SpoolOptions) {
    this.#files = files;
    this.#options = options;
    this.#backlog = new Backlog(files, options.maxBytes, options.onTrouble);
  }

  /** Finds what an earlier run left behind. What another device said, before this one joined, is let go. */
  open(): Promise<void> {
    return this.#exclusively(async () => {
      await this.#files.open();
      const { deviceId, epoch } = this.#options;
      const position = positionSchema.safeParse(await readJson(this.#files, POSITION)).data;
      if (position !== undefined && position.deviceId !== deviceId) {
        for (const { name } of await this.#files.list()) await this.#files.remove(name);
      } else if (position !== undefined) {
        this.#reach = position.reach;
        if (position.epoch === epoch) this.#seq = position.seq;
      }
      await this.#openInFlight();
      await this.#backlog.open(this.#inFlight?.reach ?? this.#reach);
      // Whose folder this is must be known before anything is put into it.
      if (position?.deviceId !== deviceId) await this.#savePosition().catch(() => undefined);
    });
  }

  /** Keeps records for sending, in order. Resolves once they are on disk (or, when that is full, in memory). */
  append(records: readonly TelemetryRecord[]): Promise<void> {
    return this.#exclusively(() => this.#backlog.append(records));
  }

  /**
   * The batch to send now: always the same one until it is acknowledged. Undefined when there is nothing, or when the
   * disk cannot even note which number is being used: then it has to be asked again later.
   */
  head(): Promise<TelemetryBatch | undefined> {
    return this.#exclusively(async () => {
      if (this.#inFlight === undefined) {
        const portion = await this.#backlog.next(this.#reach);
        if (portion === undefined || !(await this.#tryNumber(portion))) return undefined;
        await this.#backlog.letGo(portion.reach);
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
        await removeQuietly(this.#files, IN_FLIGHT);
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
      await this.#number({ records, reach: inFlight.reach }, ack.seq);
      return true;
    });
  }

  /** Resolves once all that was asked of it so far is done. */
  settled(): Promise<void> {
    return this.#exclusively(async () => undefined);
  }

  /** What waits on the disk, without the batch that is on its way. */
  get bytes(): number {
    return this.#backlog.bytes;
  }

  /** Whether anything waits that has no number yet. */
  get isWaiting(): boolean {
    return !this.#backlog.isEmpty;
  }

  async #openInFlight(): Promise<void> {
    const content = await this.#files.read(IN_FLIGHT);
    if (content === undefined) return;
    const found = inFlightSchema.safeParse(await readJson(this.#files, IN_FLIGHT)).data;
    if (found === undefined) {
      this.#options.onTrouble('spool-damaged', 'the batch that was being sent cannot be read, and is lost');
      await removeQuietly(this.#files, IN_FLIGHT);
      return;
    }
    const { batch, reach } = found;
    const isStored = reach.entries <= this.#reach.entries && reach.gaps <= this.#reach.gaps;
    if (isStored) {
      await removeQuietly(this.#files, IN_FLIGHT);
    } else if (batch.epoch === this.#options.epoch) {
      this.#inFlight = found;
      this.#seq = batch.seq - 1;
    } else {
      // On a disk that takes nothing it gets the same number in this epoch again at the next start.
      this.#inFlight = this.#numbered({ records: batch.records, reach }, this.#seq);
      await this.#files.write(IN_FLIGHT, JSON.stringify(this.#inFlight), true).catch(() => undefined);
    }
  }

  /** @returns false when the disk refuses */
  async #tryNumber(portion: Portion): Promise<boolean> {
    try {
      await this.#number(portion, this.#seq);
      this.#inTrouble = false;
      return true;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (!this.#inTrouble) {
        this.#inTrouble = true;
        this.#options.onTrouble('spool-not-written', `nothing is sent, the disk cannot note what: ${words}`);
      }
      return false;
    }
  }

  async #number(portion: Portion, after: number): Promise<void> {
    const inFlight = this.#numbered(portion, after);
    await this.#files.write(IN_FLIGHT, JSON.stringify(inFlight), true);
    this.#inFlight = inFlight;
    this.#seq = after;
  }

  #numbered({ records, reach }: Portion, after: number): z.infer<typeof inFlightSchema> {
    return { batch: { epoch: this.#options.epoch, seq: after + 1, records: [...records] }, reach };
  }

  async #savePosition(): Promise<void> {
    const { deviceId, epoch } = this.#options;
    await this.#files.write(POSITION, JSON.stringify({ deviceId, epoch, seq: this.#seq, reach: this.#reach }), true);
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
