import type { InferenceResult } from './frame.ts';

/** Upper bounds of the buckets in which durations are counted, in seconds. */
const BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export type FrameOrigin = 'source' | 'request';

/** Counts since this process began; they only grow. What a window counts is in `MetricsWindow`. */
export class FrameTotals {
  readonly answered: Record<FrameOrigin, number> = { source: 0, request: 0 };
  /** Frames of the source that were let go, by why. */
  readonly dropped: Record<'worker-busy' | 'nothing-serves', number> = { 'worker-busy': 0, 'nothing-serves': 0 };
  /** Frames without an answer, by the code of the error. */
  readonly errors = new Map<string, number>();
  lowConfidence = 0;
  /** Seconds in the worker, of all answered frames. */
  seconds = 0;
  readonly #perBucket = BOUNDS_S.map(() => 0);

  countAnswer(origin: FrameOrigin, { ms, lowConfidence }: Pick<InferenceResult, 'ms' | 'lowConfidence'>): void {
    this.answered[origin] += 1;
    if (lowConfidence) this.lowConfidence += 1;
    const seconds = ms.total / 1000;
    this.seconds += seconds;
    const bucket = BOUNDS_S.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.#perBucket[bucket] = (this.#perBucket[bucket] ?? 0) + 1;
  }

  countError(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** How many frames took at most so many seconds, smallest first. */
  get upTo(): readonly { readonly seconds: number; readonly frames: number }[] {
    let frames = 0;
    return BOUNDS_S.map((seconds, i) => {
      frames += this.#perBucket[i] ?? 0;
      return { seconds, frames };
    });
  }
}
