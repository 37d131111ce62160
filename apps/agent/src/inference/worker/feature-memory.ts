/**
 * The features of the newest frames, so that a label that comes a little later finds what it belongs to. All of its
 * memory is taken once: nothing is allocated per frame.
 */
export class FeatureMemory {
  readonly #features: number;
  readonly #values: Float32Array;
  /** Frame of each slot; -1 while it is empty. */
  readonly #frames: number[];
  readonly #slots = new Map<number, number>();
  #next = 0;

  /**
   * @param capacity frames, at least 1
   * @param features values per frame
   */
  constructor(capacity: number, features: number) {
    this.#features = features;
    this.#values = new Float32Array(capacity * features);
    this.#frames = new Array<number>(capacity).fill(-1);
  }

  /** Copies a frame's features over those of the oldest. */
  keep(frame: number, values: Float32Array): void {
    const slot = this.#next;
    this.#next = (slot + 1) % this.#frames.length;
    this.#slots.delete(this.#frames[slot] ?? -1);
    this.#frames[slot] = frame;
    this.#slots.set(frame, slot);
    this.#values.set(values, slot * this.#features);
  }

  /** A view of a frame's features, good until the next `keep`; undefined when the frame is forgotten, or never was. */
  find(frame: number): Float32Array | undefined {
    const slot = this.#slots.get(frame);
    return slot === undefined ? undefined : this.#values.subarray(slot * this.#features, (slot + 1) * this.#features);
  }
}
