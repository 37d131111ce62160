/** What the model did in one window; the fields of a telemetry `metrics` record that come from frames. */
export interface MetricsSnapshot {
  readonly frames: number;
  readonly dropped: number;
  readonly errors: number;
  readonly lowConfidence: number;
  readonly labelled: number;
  readonly correct: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly max: number; readonly sum: number };
}
