import type { Writable } from 'node:stream';
import type { AnsweredFrame } from '../inference/frame.ts';

/** One answer of the model, as applications on the board get it. */
export interface LocalResult extends Omit<AnsweredFrame, 'ms' | 'index'> {
  /** Where the picture came from: a file name, a camera, or what an application has called it. */
  readonly source: string;
  readonly release: string;
}

/** What applications get of an answer. */
export const localResult = (source: string, release: string, answered: AnsweredFrame): LocalResult => {
  const { ms: _ms, index: _index, id, at, ...answer } = answered;
  return { id, at, source, release, ...answer };
};

/** Results that wait for a reader that is slow; then its oldest are let go. */
const MOST_WAITING = 256;
const MOST_READERS = 16;
/** Between two signs of life while there is nothing to tell: a reader that is gone is noticed by them. */
const ALIVE_MS = 15_000;

/** Results as server-sent events (WHATWG HTML, 9.2), to any number of readers that are as fast as they are. */
export class ResultStream {
  readonly #readers = new Set<Reader>();
  #timer: NodeJS.Timeout | undefined;

  /** How many read now. */
  get readers(): number {
    return this.#readers.size;
  }

  get isFull(): boolean {
    return this.#readers.size >= MOST_READERS;
  }

  /** Writes what comes from now on, until the reader or the stream ends. */
  add(out: Writable): void {
    const reader = new Reader(out);
    this.#readers.add(reader);
    this.#timer ??= setInterval(() => {
      for (const one of this.#readers) one.alive();
    }, ALIVE_MS).unref();
    out.once('close', () => this.#readers.delete(reader));
    out.on('error', () => this.#readers.delete(reader));
  }

  publish(result: LocalResult): void {
    // The model's answers are made either way; without a reader they cost nothing more.
    if (this.#readers.size === 0) return;
    const event = `event: result\nid: ${result.id}\ndata: ${JSON.stringify(result)}\n\n`;
    for (const reader of this.#readers) reader.offer(event);
  }

  end(): void {
    clearInterval(this.#timer);
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
  }
}

class Reader {
  readonly #out: Writable;
  #waiting: string[] = [];
  #dropped = 0;
  #isFlowing = true;

  constructor(out: Writable) {
    this.#out = out;
    out.on('drain', () => this.#drain());
    out.write(': results of this device\n\n');
  }

  offer(event: string): void {
    if (this.#isFlowing) {
      this.#isFlowing = this.#out.write(event);
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length <= MOST_WAITING) return;
    this.#waiting.shift();
    this.#dropped += 1;
  }

  alive(): void {
    if (this.#isFlowing) this.#isFlowing = this.#out.write(': alive\n\n');
  }

  end(): void {
    this.#out.end();
  }

  #drain(): void {
    this.#isFlowing = true;
    // What was let go was older than all that waits: it is told first.
    const hole = this.#dropped === 0 ? '' : `event: dropped\ndata: ${JSON.stringify({ results: this.#dropped })}\n\n`;
    const text = hole + this.#waiting.join('');
    this.#dropped = 0;
    this.#waiting = [];
    if (text !== '') this.#isFlowing = this.#out.write(text);
  }
}
