/** Which absolute limit of the release's acceptance suite was missed. */
export type AcceptanceLimit = 'accuracy' | 'p95Ms' | 'lowConfidenceRate' | 'goldenDifference';

export interface AcceptanceFailure {
  readonly limit: AcceptanceLimit;
  /** The manifest's limit. */
  readonly expected: number;
  readonly measured: number;
  /** One sentence for people. */
  readonly words: string;
}

/** What the suite measured on this device. A figure is absent when the suite has nothing to measure it with. */
export interface AcceptanceFigures {
  /** Labelled pictures that were run. */
  readonly samples: number;
  /** Share of them answered rightly, 0 to 1. */
  readonly accuracy?: number;
  /** 95th percentile of a whole frame's milliseconds, after warm-up. */
  readonly p95Ms?: number;
  /** Share of answers under the release's confidence threshold, 0 to 1. */
  readonly lowConfidenceRate?: number;
  /** Golden inputs that were run. */
  readonly golden: number;
  /** Largest absolute difference of any output element to its golden value. */
  readonly maxGoldenDifference?: number;
}

/** Outcome of the acceptance suite on this device: `passed` exactly when `failures` is empty. */
export interface AcceptanceReport {
  readonly passed: boolean;
  readonly failures: readonly AcceptanceFailure[];
  readonly figures: AcceptanceFigures;
}
