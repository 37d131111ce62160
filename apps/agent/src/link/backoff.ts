/** Exponential back-off with full jitter: a fleet that lost its server does not come back in one wave. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly longestMs: number,
    /** From 0 up to 1, without it. */
    private readonly random: () => number,
  ) {}

  /** How long to wait after one more failure, in milliseconds: somewhere in the upper half of the doubled time. */
  next(): number {
    const limit = Math.min(this.longestMs, this.firstMs * 2 ** this.failures);
    this.failures += 1;
    return limit / 2 + (limit / 2) * this.random();
  }

  /** It worked: the next failure starts small again. */
  reset(): void {
    this.failures = 0;
  }
}
