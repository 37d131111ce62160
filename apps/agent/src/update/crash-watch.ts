const WINDOW_MS = 600_000;
const LOOP_LOSSES = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

export interface CrashVerdict {
  /** Before its worker is started again. */
  readonly pauseMs: number;
  /** It has died so often within ten minutes that it does not live here. */
  readonly looping: boolean;
}

/** Counts how often the workers of each release die, and says what follows. */
export class CrashWatch {
  readonly #losses = new Map<string, number[]>();

  /**
   * A worker of the release has died.
   * @param now milliseconds of a monotonic clock
   */
  lost(digest: string, now: number): CrashVerdict {
    const recent = [...(this.#losses.get(digest) ?? []).filter((at) => now - at < WINDOW_MS), now];
    this.#losses.set(digest, recent);
    // Once is an accident, and the device should see again at once.
    const pauseMs = recent.length === 1 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (recent.length - 2));
    return { pauseMs, looping: recent.length >= LOOP_LOSSES };
  }

  /** It was assigned anew: it gets all its chances again. */
  forgive(digest: string): void {
    this.#losses.delete(digest);
  }
}
