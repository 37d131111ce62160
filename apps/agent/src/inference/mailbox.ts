/** A short queue that never makes its writer wait: where it is full the oldest item makes room. */
export class Mailbox<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];

  /** @param capacity how many items may wait, at least 1. */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`expected a mailbox size of 1 or more, got ${capacity}`);
    }
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length;
  }

  /** @returns how many items were dropped to make room: 0 or 1. */
  offer(item: T): number {
    this.#items.push(item);
    if (this.#items.length <= this.#capacity) return 0;
    this.#items.shift();
    return 1;
  }

  /** The oldest item. */
  take(): T | undefined {
    return this.#items.shift();
  }
}
