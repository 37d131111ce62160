import { ApiError, Backoff } from '@aviary/protocol';
import type { Logger } from 'pino';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

export interface ErrandOptions {
  /**
   * Looks what the control plane wants, and does it. What it throws is tried again after a pause; where the signal has
   * broken it off, at once.
   */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** How often it looks when nobody rings, for a bell can be missed; null: only when somebody does. */
  readonly pollMs: number | null;
  /** What the log says of a look that failed. */
  readonly failed: string;
  readonly log: Logger;
}

/** What was being done is of no use any more. */
export class BrokenOffError extends Error {
  readonly code = 'broken-off';
}

/**
 * Something that a device does for its control plane: it looks whether something is wanted when somebody rings, at each
 * connection, and now and then, and does it. One thing at a time; what fails is tried again, later and later.
 */
export class DeviceErrand {
  readonly #options: ErrandOptions;
  readonly #retry = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  #work = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #again = false;
  #stopped = false;

  constructor(options: ErrandOptions) {
    this.#options = options;
  }

  /** Whether it was stopped: what comes of the last look is told to nobody. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Looks at once, or once more after what is under way. */
  look(): void {
    this.#again = true;
    // Not before this has returned: what it runs may call it.
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Looks after a pause, if nothing makes it look before. Of several pauses the last counts. */
  lookAfter(pauseMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.look(), pauseMs);
  }

  /** Aborts what is under way with a BrokenOffError. Where it throws after that, it is looked at anew. */
  breakOff(words: string): void {
    this.#work.abort(new BrokenOffError(words));
  }

  /** Breaks off what is under way, and looks no more; resolves when that has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.breakOff('the agent stops');
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#work = new AbortController();
      await this.#lookOnce(this.#work.signal);
    }
    this.#running = undefined;
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    const { run, pollMs, failed, log } = this.#options;
    // A fleet that was started together does not ask together for ever.
    const longestMs = (pollMs ?? Number.POSITIVE_INFINITY) * (0.9 + 0.2 * Math.random());
    try {
      await run(signal);
      this.#retry.reset();
      // Unless it said by itself when to look again.
      if (pollMs !== null && this.#timer === undefined) this.lookAfter(longestMs);
    } catch (error) {
      if (signal.aborted) {
        this.#again = true;
        return;
      }
      const pauseMs = Math.min(longestMs, this.#retry.next());
      log.info({ error: error instanceof Error ? error.message : String(error), pauseMs }, failed);
      this.lookAfter(pauseMs);
    }
  }
}

/**
 * What the control plane asks of this device.
 * @param ask asks it
 * @returns undefined when it asks nothing, or is too old to know of such tasks
 * @throws what `ask` throws otherwise
 */
export const askedTask = async <Task>(ask: () => Promise<Task>): Promise<Task | undefined> => {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return undefined;
    throw error;
  }
};
