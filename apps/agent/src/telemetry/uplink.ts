import type { TelemetryAck, TelemetryBatch, TelemetryRecord } from '@aviary/protocol';
import type { Logger } from 'pino';
import type { Spool } from './spool.ts';

/** Sent again when no acknowledgement came: a gateway may have died with the message in its hands. */
const RESEND_MS = 10_000;

/** Sends a batch, when there is a connection. @returns whether it was sent */
export type SendBatch = (batch: TelemetryBatch) => boolean;

/** Empties the spool over the link: one batch in flight, the next only after its acknowledgement. */
export class Uplink {
  readonly #spool: Spool;
  readonly #log: Logger;
  #send: SendBatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sent: number | undefined;

  constructor(spool: Spool, log: Logger) {
    this.#spool = spool;
    this.#log = log;
  }

  /** Keeps records, and sends them when it is their turn. Resolves once they are kept. */
  async report(records: readonly TelemetryRecord[]): Promise<void> {
    await this.#spool.append(records);
    void this.#pump();
  }

  /** A connection was made: whatever was in flight over the last one is sent again. */
  connected(send: SendBatch): void {
    this.#send = send;
    this.#sendAgain();
  }

  async acknowledged(ack: TelemetryAck): Promise<void> {
    try {
      if (await this.#spool.acknowledge(ack)) this.#sendAgain();
    } catch (error) {
      // What cannot be let go of stays in flight, is sent again, and acknowledged again.
      this.#log.warn({ err: error, seq: ack.seq }, 'an acknowledgement could not be noted');
    }
  }

  /** Sends nothing any more. Resolves once what it is at is on the disk. */
  async stop(): Promise<void> {
    this.#send = undefined;
    await this.#spool.settled();
    clearTimeout(this.#timer);
  }

  #sendAgain(): void {
    this.#sent = undefined;
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#send === undefined) return;
    let batch: TelemetryBatch | undefined;
    try {
      batch = await this.#spool.head();
    } catch (error) {
      this.#log.warn({ err: error }, 'what is to be sent cannot be read now');
    }
    if (this.#send === undefined || (batch === undefined && !this.#spool.isWaiting)) return;
    if (batch !== undefined) {
      if (this.#sent === batch.seq) return;
      this.#sent = batch.seq;
      if (!this.#send(batch)) this.#log.debug({ seq: batch.seq }, 'not connected; it is sent later');
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#sendAgain(), RESEND_MS);
  }
}
