import { Readable } from 'node:stream';

/** Bytes that may wait for a reader: hours of ordinary changes, a moment of extraordinary ones. */
const MOST_WAITING_BYTES = 256 * 1024;
/** For what is on its way when a stream ends. */
const LAST_WORDS_MS = 250;

/** One reader's stream. What it does not take in time is not kept for it: it comes back and is told from there. */
export class EventStream {
  /** To be sent as the answer's body. */
  readonly body = new Readable({ read: () => {} });
  private ending = false;

  constructor() {
    // The reader has gone away; that is no error of ours.
    this.body.on('error', () => {});
  }

  get ended(): boolean {
    return this.ending || this.body.destroyed;
  }

  /** Sends messages, or ends the stream when too much waits already. */
  send(messages: string): void {
    if (this.ended || messages === '') return;
    if (this.body.readableLength + messages.length > MOST_WAITING_BYTES) this.body.destroy();
    else this.body.push(messages);
  }

  /** Ends the stream in order; by force where its reader takes nothing. */
  end(): void {
    if (this.ended) return;
    this.ending = true;
    this.body.push(null);
    setTimeout(() => this.body.destroy(), LAST_WORDS_MS).unref();
  }

  onEnd(listener: () => void): void {
    this.body.once('close', listener);
  }
}
