import { normOf } from './head-codec.ts';

/** What is known of an accepted update without its values. */
export interface UpdateFigures {
  readonly deviceId: string;
  readonly samples: number;
  /** Euclidean length of its values. */
  readonly norm: number;
}

export interface Aggregate {
  readonly values: Float32Array;
  readonly updates: number;
  readonly samples: number;
  /** Euclidean length of the aggregated update. */
  readonly norm: number;
  /** Longer updates were shortened to this. */
  readonly clipNorm: number;
  readonly clipped: number;
}

/** A device counts for so many typical ones at most: how many samples it has is its own word. */
const MOST_MEDIANS = 2;

/** The updates that were summed are not those that were announced. */
export class AggregationError extends Error {
  readonly code = 'aggregation-invalid';
}

const medianOf = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
};

/**
 * The mean of updates weighted by their samples (FedAvg, McMahan et al. 2017, arXiv:1602.05629), each shortened to a
 * longest length first, and its samples counted up to twice the median of all, so that no single device pulls further.
 *
 * The updates are added one after the other, in 64 bits, in the order of device ids: the same updates give the same
 * bits, whoever sums them and however often, and memory holds one update and the sum.
 *
 * ```ts
 * const aggregation = new Aggregation(figures, spec.clipNorm);
 * for (const id of aggregation.order) aggregation.add(id, await load(id));
 * const { values } = aggregation.finish();
 * ```
 */
export class Aggregation {
  /** Device ids in the order in which their updates have to come: by code unit, whatever a database sorts by. */
  readonly order: readonly string[];
  private readonly figures: ReadonlyMap<string, UpdateFigures>;
  private readonly clipNorm: number;
  /** Of one device, that count. */
  private readonly mostSamples: number;
  /** Of all devices, that count. */
  private readonly counted: number;
  private sum: Float64Array | undefined;
  private added = 0;
  private clipped = 0;

  /**
   * @param figures of every update that goes in
   * @param clipNorm the longest length; null: the median length of these updates
   * @throws AggregationError without updates, or with two of one device
   */
  constructor(figures: readonly UpdateFigures[], clipNorm: number | null) {
    this.figures = new Map(figures.map((one) => [one.deviceId, one]));
    if (figures.length === 0) throw new AggregationError('Expected at least one update to aggregate, got none.');
    if (this.figures.size !== figures.length)
      throw new AggregationError('Expected one update of each device, got two.');
    this.order = [...this.figures.keys()].sort((a, b) => (a < b ? -1 : 1));
    this.clipNorm = clipNorm ?? medianOf(figures.map(({ norm }) => norm));
    this.mostSamples = MOST_MEDIANS * medianOf(figures.map(({ samples }) => samples));
    // Whole numbers: their sum does not depend on the order.
    this.counted = figures.reduce((total, one) => total + this.countedOf(one), 0);
  }

  private countedOf({ samples }: UpdateFigures): number {
    return Math.min(samples, this.mostSamples);
  }

  /** @throws AggregationError when it is not this update's turn, or its length is another than that of those before */
  add(deviceId: string, values: Float32Array): void {
    const figures = this.figures.get(deviceId);
    if (figures === undefined || deviceId !== this.order[this.added]) {
      throw new AggregationError(
        `Expected the update of ${this.order[this.added] ?? 'nobody'} next, got that of ${deviceId}.`,
      );
    }
    // Minus zero is what adding leaves as it is: 0 + −0 would be 0, and one update alone not that update.
    this.sum ??= new Float64Array(values.length).fill(-0);
    const { sum } = this;
    if (values.length !== sum.length) {
      throw new AggregationError(`Expected ${sum.length} values from ${deviceId}, got ${values.length}.`);
    }
    const isLong = figures.norm > this.clipNorm;
    const weight = (this.countedOf(figures) / this.counted) * (isLong ? this.clipNorm / figures.norm : 1);
    for (let index = 0; index < sum.length; index += 1) {
      sum[index] = (sum[index] as number) + weight * (values[index] as number);
    }
    this.added += 1;
    if (isLong) this.clipped += 1;
  }

  /** @throws AggregationError when updates are missing */
  finish(): Aggregate {
    if (this.sum === undefined || this.added !== this.order.length) {
      throw new AggregationError(`Expected ${this.order.length} updates, got ${this.added}.`);
    }
    const values = Float32Array.from(this.sum);
    const { added: updates, clipNorm, clipped } = this;
    const samples = [...this.figures.values()].reduce((total, one) => total + one.samples, 0);
    return { values, updates, samples, norm: normOf(values), clipNorm, clipped };
  }
}
