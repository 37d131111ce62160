import { Backoff } from '@aviary/protocol';
import type { Logger } from 'pino';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** A step shows life at least so often. The longest that cannot: an acceptance suite, which has ten minutes. */
const LIFE_MS = 15 * 60_000;

/** Whether there was something to do; or after how long there may be again, however long nobody wakes the loop. */
export type StepOutcome = boolean | { readonly lookAgainMs: number };

/** Does one thing. */
export type DoStep = (signal: AbortSignal) => Promise<StepOutcome>;

/**
 * Takes one step after the other for as long as there is one; then sleeps until it is woken. A step that fails is
 * tried again, later and later.
 */
export class UpdateLoop {
  readonly #step: DoStep;
  readonly #log: Logger;
  readonly #lifeMs: number;
  readonly #retry = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  readonly #timers = new Set<NodeJS.Timeout>();
  /** When to look again although there is nothing to do. */
  #look: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #interrupt = new AbortController();
  #again = false;
  #lastLife = 0;
  #stopped = false;

  /** @param lifeMs how long a step may show no life before the loop counts as hanging */
  constructor(step: DoStep, log: Logger, lifeMs = LIFE_MS) {
    this.#step = step;
    this.#log = log;
    this.#lifeMs = lifeMs;
  }

  /** Whether it goes round: it sleeps, or what it does has begun or shown life not too long ago. */
  get isAlive(): boolean {
    return this.#running === undefined || performance.now() - this.#lastLife < this.#lifeMs;
  }

  /** What is being done makes progress. */
  showLife(): void {
    this.#lastLife = performance.now();
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#running ??= this.#run();
  }

  /** There will be something to do after a pause; whatever wakes it before finds it, too. */
  wakeAfter(pauseMs: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.wake();
    }, pauseMs);
    this.#timers.add(timer);
  }

  /** What is being done may be out of date: it is broken off where that is safe, and planned anew. */
  replan(): void {
    this.#interrupt.abort();
    this.wake();
  }

  /** Breaks off what is being done; resolves when that has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    clearTimeout(this.#look);
    this.#interrupt.abort();
    await this.#running;
  }

  /** One time counts, the last that was asked for. */
  #lookAfter(pauseMs: number): void {
    clearTimeout(this.#look);
    if (!this.#stopped) this.#look = setTimeout(() => this.wake(), pauseMs);
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.showLife();
      this.#again = false;
      this.#interrupt = new AbortController();
      const { signal } = this.#interrupt;
      try {
        const outcome = await this.#step(signal);
        if (typeof outcome === 'object') this.#lookAfter(outcome.lookAgainMs);
        else this.#again ||= outcome;
        this.#retry.reset();
      } catch (error) {
        if (signal.aborted) {
          this.#again = true;
          continue;
        }
        const pauseMs = this.#retry.next();
        this.#log.warn({ error: error instanceof Error ? error.message : String(error), pauseMs }, 'tried again later');
        this.wakeAfter(pauseMs);
      }
    }
    this.#running = undefined;
  }
}
