import type { MetricsRecord } from '@aviary/protocol';

const MINUTE_MS = 60_000;

/** What a release did on a device for a while. Times are beginnings of windows, in milliseconds since 1970. */
export interface ReleaseSum {
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

const ofWindow = (record: MetricsRecord): ReleaseSum => ({
  release: record.release,
  firstAt: record.at,
  lastAt: record.at,
  frames: record.frames,
  dropped: record.dropped,
  errors: record.errors,
  lowConfidence: record.lowConfidence,
  labelled: record.labelled,
  correct: record.correct,
  p95: record.frames > 0 ? record.latencyMs.p95 : null,
  p95Sum: record.frames * record.latencyMs.p95,
  latencySum: record.latencyMs.sum,
  latencyMax: record.latencyMs.max,
  effective: record.provider.effective,
  requested: record.provider.requested[0] ?? '',
  board: record.board,
});

/** @param more what the device said later; its clock may have gone back meanwhile */
const add = (sum: ReleaseSum, more: Readonly<ReleaseSum>): void => {
  sum.firstAt = Math.min(sum.firstAt, more.firstAt);
  if (more.lastAt >= sum.lastAt) {
    sum.lastAt = more.lastAt;
    sum.effective = more.effective;
    sum.requested = more.requested;
    sum.board = more.board;
  }
  sum.p95 = more.p95 ?? sum.p95;
  sum.p95Sum += more.p95Sum;
  sum.frames += more.frames;
  sum.dropped += more.dropped;
  sum.errors += more.errors;
  sum.lowConfidence += more.lowConfidence;
  sum.labelled += more.labelled;
  sum.correct += more.correct;
  sum.latencySum += more.latencySum;
  sum.latencyMax = Math.max(sum.latencyMax, more.latencyMax);
};

const sumBy = (parts: readonly ReleaseSum[], keyOf: (part: ReleaseSum) => string): ReleaseSum[] => {
  const sums = new Map<string, ReleaseSum>();
  for (const part of parts) {
    const key = keyOf(part);
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { ...part });
    else add(sum, part);
  }
  return [...sums.values()];
};

/** Adds up the windows of one device that begin in the same minute: a backlog of hours becomes few rows. */
export const sumByMinute = (records: readonly MetricsRecord[]): ReleaseSum[] =>
  sumBy(records.map(ofWindow), ({ release, firstAt }) => `${release} ${Math.floor(firstAt / MINUTE_MS)}`);

/** Adds up what each release did on one device. @param minutes in the order in which the device said them */
export const sumByRelease = (minutes: readonly ReleaseSum[]): ReleaseSum[] => sumBy(minutes, ({ release }) => release);
