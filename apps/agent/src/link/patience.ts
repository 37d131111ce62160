import type { HeldBack } from './download-limit.ts';

/** A time-out that does not count for how long it was the device itself that did not read. */
export class Patience implements HeldBack {
  readonly #controller = new AbortController();
  #restMs: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#restMs = ms;
    this.goOn();
  }

  /** Aborted when it is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hold(): void {
    clearTimeout(this.#timer);
    this.#restMs -= performance.now() - this.#since;
  }

  goOn(): void {
    this.#since = performance.now();
    const over = (): void => this.#controller.abort(new Error('the source takes too long'));
    this.#timer = setTimeout(over, Math.max(0, this.#restMs));
  }

  /** Nobody waits any more. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
