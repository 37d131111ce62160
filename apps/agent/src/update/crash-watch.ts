const WINDOW_MS = 600_000;
const LOOP_LOSSES = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Counts how often the workers of each release die, and says what follows. */
export class CrashWatch {
  readonly #losses = new Map<string, number[]>();
  readonly #rests = new Map<string, number>();

  /**
   * A worker of the release has died.
   * @param now milliseconds of a monotonic clock
   * @returns whether it has died so often within ten minutes that it does not live here
   */
  lost(digest: string, now: number): boolean {
    const recent = [...(this.#losses.get(digest) ?? []).filter((at) => now - at < WINDOW_MS), now];
    this.#losses.set(digest, recent);
    // Once is an accident, and the device should see again at once.
    const pauseMs = recent.length === 1 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (recent.length - 2));
    this.#rests.set(digest, now + pauseMs);
    return recent.length >= LOOP_LOSSES;
  }

  /**
   * How long a worker of the release is not to be started yet, in milliseconds.
   * @param now of the same clock
   */
  restMs(digest: string, now: number): number {
    return Math.max(0, (this.#rests.get(digest) ?? 0) - now);
  }

  /** It was assigned anew: it gets all its chances again. */
  forgive(digest: string): void {
    this.#losses.delete(digest);
    this.#rests.delete(digest);
  }
}
