/** Exponential back-off with jitter: a fleet that lost its server does not come back in one wave. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #random: () => number;
  #failures = 0;

  /** @param random draws from [0, 1). */
  constructor(firstMs: number, longestMs: number, random: () => number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#random = random;
  }

  /** How long to wait after one more failure, in milliseconds: somewhere in the upper half of the doubled time. */
  next(): number {
    const limit = Math.min(this.#longestMs, this.#firstMs * 2 ** this.#failures);
    this.#failures += 1;
    return limit / 2 + (limit / 2) * this.#random();
  }

  /** It worked: the next failure starts small again. */
  reset(): void {
    this.#failures = 0;
  }
}
