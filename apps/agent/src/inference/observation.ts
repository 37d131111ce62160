/** What probation judges by: everything since the mark. `p95Ms` is 0 until a frame was answered. */
export interface Observation {
  readonly frames: number;
  readonly errors: number;
  readonly lowConfidence: number;
  readonly labelled: number;
  readonly correct: number;
  readonly p95Ms: number;
}
