import type { EventRecord, MetricsRecord, TelemetryRecord } from '@aviary/protocol';
import { sha256Of } from './releases.ts';

/** Something that happened; `words` tells it from others. */
export const eventRecord = (words: string, at = 1_000): EventRecord => ({
  type: 'event',
  at,
  level: 'info',
  code: 'said',
  message: words,
});

/** One window of counts, which may be thinned; `frames` tells it from others. */
export const metricsRecord = (frames: number, at = 1_000): MetricsRecord => ({
  type: 'metrics',
  at,
  windowSeconds: 10,
  release: 'a@1.0.0',
  digest: sha256Of('plain a'),
  frames,
  dropped: 0,
  errors: 0,
  lowConfidence: 0,
  labelled: 0,
  correct: 0,
  latencyMs: { p50: 1, p95: 1, max: 1, sum: 1 },
  provider: { requested: ['cpu'], effective: 'cpu' },
  process: { rssBytes: 0, cpuPercent: 0 },
  board: {},
});

/** What tells records from each other, for short expectations. */
export const namesOf = (records: readonly TelemetryRecord[] | undefined): (string | number)[] =>
  (records ?? []).map((record) => {
    if (record.type === 'event') return record.message;
    return record.type === 'metrics' ? record.frames : record.type;
  });

/** Those of one type, in their order. */
export const recordsOf = <Type extends TelemetryRecord['type']>(records: readonly TelemetryRecord[], type: Type) =>
  records.filter((record): record is Extract<TelemetryRecord, { type: Type }> => record.type === type);
