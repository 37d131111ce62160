import type { InferenceResult } from './frame.ts';
import { LatencyReservoir } from './latency-reservoir.ts';

/** What the model did in one window; the fields of a telemetry `metrics` record that come from frames. */
export interface MetricsSnapshot {
  /** Answered. */
  readonly frames: number;
  /** Let go because the worker was busy, or absent. */
  readonly dropped: number;
  /** Got no answer: unreadable, undecodable, timed out, or the worker died over them. */
  readonly errors: number;
  readonly lowConfidence: number;
  readonly labelled: number;
  readonly correct: number;
  /** Per answered frame, pre- and post-processing included. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly max: number; readonly sum: number };
}

/** Counts frames until `take()`, then starts anew. */
export class MetricsWindow {
  #latency = new LatencyReservoir();
  #dropped = 0;
  #errors = 0;
  #lowConfidence = 0;
  #labelled = 0;
  #correct = 0;

  /** @param truth the right label, where it is known. */
  answered(result: InferenceResult, truth: string | undefined): void {
    this.#latency.add(result.ms.total);
    if (result.lowConfidence) this.#lowConfidence += 1;
    if (truth === undefined) return;
    this.#labelled += 1;
    if (truth === result.label) this.#correct += 1;
  }

  dropped(count: number): void {
    this.#dropped += count;
  }

  failed(): void {
    this.#errors += 1;
  }

  /** What was counted since the last `reset()`. */
  read(): MetricsSnapshot {
    const [p50 = 0, p95 = 0] = this.#latency.quantiles([0.5, 0.95]);
    return {
      frames: this.#latency.count,
      dropped: this.#dropped,
      errors: this.#errors,
      lowConfidence: this.#lowConfidence,
      labelled: this.#labelled,
      correct: this.#correct,
      latencyMs: { p50, p95, max: this.#latency.max, sum: this.#latency.sum },
    };
  }

  reset(): void {
    this.#latency = new LatencyReservoir();
    this.#dropped = 0;
    this.#errors = 0;
    this.#lowConfidence = 0;
    this.#labelled = 0;
    this.#correct = 0;
  }

  /** Reads and resets. */
  take(): MetricsSnapshot {
    const snapshot = this.read();
    this.reset();
    return snapshot;
  }
}
