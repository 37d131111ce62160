import type { AcceptanceLimits } from '@aviary/release';
import type { InferenceResult } from './frame.ts';
import { LatencyReservoir } from './latency-reservoir.ts';

/** Absolute limits that a release has to keep to before it serves; the first four are the suite's own. */
export const ACCEPTANCE_LIMITS = [
  'accuracy',
  'p95Ms',
  'lowConfidenceRate',
  'goldenDifference',
  'memoryMB',
  'memoryGrowth',
  'failedAnswers',
  'throttling',
] as const;
/** Which of them was missed. */
export type AcceptanceLimit = (typeof ACCEPTANCE_LIMITS)[number];

export interface AcceptanceFailure {
  readonly limit: AcceptanceLimit;
  /** The manifest's limit. */
  readonly expected: number;
  /** `null`: the suite has a limit but nothing to measure it with. */
  readonly measured: number | null;
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
  /** Largest absolute difference of any output element to its golden value; `Infinity` is written as the largest number. */
  readonly maxGoldenDifference?: number;
}

/** Outcome of the acceptance suite on this device: `passed` exactly when `failures` is empty. */
export interface AcceptanceReport {
  readonly passed: boolean;
  readonly failures: readonly AcceptanceFailure[];
  readonly figures: AcceptanceFigures;
}

/** Gathers the answers to the suite's pictures. */
export class AcceptanceTally {
  readonly #latency = new LatencyReservoir();
  #samples = 0;
  #correct = 0;
  #lowConfidence = 0;
  #golden = 0;
  #maxDifference = 0;

  sample(result: InferenceResult, truth: string): void {
    this.#samples += 1;
    if (result.label === truth) this.#correct += 1;
    if (result.lowConfidence) this.#lowConfidence += 1;
    this.#latency.add(result.ms.total);
  }

  /** Compares one raw output with its golden values. Another length, or NaN on one side only, is an infinite difference. */
  golden(output: ArrayLike<number>, expected: ArrayLike<number>): void {
    this.#golden += 1;
    this.#maxDifference = Math.max(this.#maxDifference, largestDifference(output, expected));
  }

  figures(): AcceptanceFigures {
    const [p95 = 0] = this.#latency.quantiles([0.95]);
    return {
      samples: this.#samples,
      ...(this.#samples === 0
        ? {}
        : {
            accuracy: this.#correct / this.#samples,
            p95Ms: p95,
            lowConfidenceRate: this.#lowConfidence / this.#samples,
          }),
      golden: this.#golden,
      ...(this.#golden === 0 ? {} : { maxGoldenDifference: this.#maxDifference }),
    };
  }
}

function largestDifference(output: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (output.length !== expected.length) return Number.MAX_VALUE;
  let largest = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const difference = Math.abs((output[i] as number) - (expected[i] as number));
    // Written so that NaN counts as different. JSON has no infinity, so the largest number stands for it.
    if (!(difference <= largest)) largest = Number.isFinite(difference) ? difference : Number.MAX_VALUE;
  }
  return largest;
}

/** Compares what was measured with the release's limits. A limit that the suite has nothing to measure with is missed. */
export function judgeAcceptance(figures: AcceptanceFigures, limits: AcceptanceLimits): AcceptanceReport {
  const failures = [
    atLeast('accuracy', 'accuracy', figures.accuracy, limits.minAccuracy),
    atMost('p95Ms', '95th percentile of the latency, in ms', figures.p95Ms, limits.maxP95Ms),
    atMost('lowConfidenceRate', 'share of unsure answers', figures.lowConfidenceRate, limits.maxLowConfidenceRate),
    atMost(
      'goldenDifference',
      'largest difference to the golden outputs',
      figures.maxGoldenDifference,
      limits.goldenTolerance,
    ),
  ].filter((failure) => failure !== null);
  return { passed: failures.length === 0, failures, figures };
}

function atLeast(
  limit: AcceptanceLimit,
  name: string,
  measured: number | undefined,
  expected: number | undefined,
): AcceptanceFailure | null {
  if (expected === undefined || (measured !== undefined && measured >= expected)) return null;
  return { limit, expected, measured: measured ?? null, words: missed(name, 'at least', expected, measured) };
}

/** Null: it is within what is allowed, or nothing is asked for. */
export function atMost(
  limit: AcceptanceLimit,
  name: string,
  measured: number | undefined,
  expected: number | undefined,
): AcceptanceFailure | null {
  if (expected === undefined || (measured !== undefined && measured <= expected)) return null;
  return { limit, expected, measured: measured ?? null, words: missed(name, 'at most', expected, measured) };
}

function missed(name: string, bound: string, expected: number, measured: number | undefined): string {
  const got =
    measured === undefined
      ? 'but the acceptance suite has nothing to measure it with'
      : `measured ${rounded(measured)}`;
  return `${name}: expected ${bound} ${rounded(expected)}, ${got}`;
}

function rounded(value: number): string {
  return value === Number.MAX_VALUE ? 'no finite number' : String(Number(value.toPrecision(4)));
}
