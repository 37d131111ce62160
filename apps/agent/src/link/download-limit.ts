import { setTimeout as pause } from 'node:timers/promises';

/** What may come at once after a while without a download: as much as in one second. */
const BURST_SECONDS = 1;

/** Somebody whose patience with a source must not count the time for which it is this device that does not read. */
export interface HeldBack {
  /** The device waits by its own will from now on. */
  hold(): void;
  /** It waits for the source again. */
  goOn(): void;
}

/** The clock that bytes are counted by. */
export interface LimitClock {
  /** Milliseconds that only grow. */
  now(): number;
  /** @throws the signal's reason */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const CLOCK: LimitClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => pause(ms, undefined, { signal }),
};

/**
 * Holds all downloads of a device together under a rate: a token bucket. What has come is counted, and nothing more is read
 * until that was allowed to come, so that the source has to send more slowly; several downloads share the rate as they come.
 */
export class DownloadLimit {
  readonly #bytesPerSecond: number;
  readonly #clock: LimitClock;
  /** Bytes that may come at once; below 0: so many came too early. */
  #allowed: number;
  #at: number;

  constructor(bytesPerSecond: number, clock = CLOCK) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#allowed = this.#burst;
    this.#at = clock.now();
  }

  /** Counts bytes that came, and waits until the next may come. @throws the signal's reason */
  async take(bytes: number, signal: AbortSignal, heldBack: HeldBack): Promise<void> {
    const now = this.#clock.now();
    const since = ((now - this.#at) / 1000) * this.#bytesPerSecond;
    this.#allowed = Math.min(this.#burst, this.#allowed + since) - bytes;
    this.#at = now;
    if (this.#allowed >= 0) return;
    heldBack.hold();
    try {
      await this.#clock.sleep((-this.#allowed / this.#bytesPerSecond) * 1000, signal);
    } finally {
      heldBack.goOn();
    }
  }

  get #burst(): number {
    return this.#bytesPerSecond * BURST_SECONDS;
  }
}
