/** Beyond this many, a window's quantiles are of a uniform sample of its frames. */
const CAPACITY = 4096;

/**
 * Latencies of one window. Quantiles are exact up to 4096 values; beyond, they are those of a uniform random sample
 * (Vitter 1985, algorithm R), whose 95th percentile has a standard error of 0.34 percentage points in rank. Sum and
 * maximum are always exact, and the memory is bounded at 32 KiB.
 */
export class LatencyReservoir {
  readonly #random: () => number;
  #values = new Float64Array(64);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** @param random draws from [0, 1). */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  get max(): number {
    return this.#max;
  }

  /** @param ms milliseconds, not negative. */
  add(ms: number): void {
    this.#sum += ms;
    if (ms > this.#max) this.#max = ms;
    if (this.#count < CAPACITY) {
      if (this.#count === this.#values.length) {
        const grown = new Float64Array(this.#values.length * 2);
        grown.set(this.#values);
        this.#values = grown;
      }
      this.#values[this.#count] = ms;
    } else {
      const slot = Math.floor(this.#random() * (this.#count + 1));
      if (slot < CAPACITY) this.#values[slot] = ms;
    }
    this.#count += 1;
  }

  /** The nearest-rank quantiles asked for, each `q` in (0, 1]; 0 where nothing was added. */
  quantiles(qs: readonly number[]): number[] {
    const sorted = this.#values.slice(0, Math.min(this.#count, CAPACITY)).sort();
    return qs.map((q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0);
  }
}
