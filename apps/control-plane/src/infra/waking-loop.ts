/** Notifications come in bursts; one look answers them all. */
export const GATHER_MS = 50;

/**
 * Looks again and again, never twice at once: soon after it is woken, and at the latest when its last look asked for it.
 * A call to `wake` during a look is answered by another one.
 */
export class WakingLoop {
  readonly #look: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  /** @param look gives back when to look again at the latest, in ms; never rejects */
  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  /** A look that has many steps ends early when this is true. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** @param delay ms until the look, so that what comes in a burst is looked at once */
  wake(delay = GATHER_MS): void {
    if (this.#stopped) return;
    this.#again = true;
    if (this.#working !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#again = false;
      this.#working = this.#look().then((next) => {
        this.#working = undefined;
        this.wake(this.#again ? GATHER_MS : next);
      });
    }, delay);
  }

  /** No look begins any more. Returns when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#working;
  }
}
