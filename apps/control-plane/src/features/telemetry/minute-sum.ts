import type { MetricsRecord } from '@aviary/protocol';

const MINUTE_MS = 60_000;

/** What a release did on a device within one minute. */
export interface MinuteSum {
  readonly release: string;
  firstAt: number;
  lastAt: number;
  frames: number;
  dropped: number;
  errors: number;
  lowConfidence: number;
  labelled: number;
  correct: number;
  /** Of the last window that had frames: a percentile cannot be summed. */
  p95: number | null;
  /** Frames times the p95 of their window: divided by the frames it is a mean of p95s. */
  p95Sum: number;
  latencySum: number;
  latencyMax: number;
  effective: string;
  requested: string;
  /** How the board was at the end of the last window. */
  board: MetricsRecord['board'];
}

const emptySum = (record: MetricsRecord): MinuteSum => ({
  release: record.release,
  firstAt: record.at,
  lastAt: record.at,
  frames: 0,
  dropped: 0,
  errors: 0,
  lowConfidence: 0,
  labelled: 0,
  correct: 0,
  p95: null,
  p95Sum: 0,
  latencySum: 0,
  latencyMax: 0,
  effective: record.provider.effective,
  requested: record.provider.requested[0] ?? '',
  board: record.board,
});

const addTo = (sum: MinuteSum, record: MetricsRecord): void => {
  sum.firstAt = Math.min(sum.firstAt, record.at);
  if (record.at >= sum.lastAt) {
    sum.lastAt = record.at;
    sum.effective = record.provider.effective;
    sum.requested = record.provider.requested[0] ?? '';
    sum.board = record.board;
  }
  // A device counts its windows forward, so that the last one read is the latest.
  if (record.frames > 0) sum.p95 = record.latencyMs.p95;
  sum.p95Sum += record.frames * record.latencyMs.p95;
  sum.frames += record.frames;
  sum.dropped += record.dropped;
  sum.errors += record.errors;
  sum.lowConfidence += record.lowConfidence;
  sum.labelled += record.labelled;
  sum.correct += record.correct;
  sum.latencySum += record.latencyMs.sum;
  sum.latencyMax = Math.max(sum.latencyMax, record.latencyMs.max);
};

/** Adds up the windows of one device that begin in the same minute: a backlog of hours becomes few rows. */
export const sumByMinute = (records: readonly MetricsRecord[]): MinuteSum[] => {
  const sums = new Map<string, MinuteSum>();
  for (const record of records) {
    const key = `${record.release} ${Math.floor(record.at / MINUTE_MS)}`;
    let sum = sums.get(key);
    if (sum === undefined) {
      sum = emptySum(record);
      sums.set(key, sum);
    }
    addTo(sum, record);
  }
  return [...sums.values()];
};
