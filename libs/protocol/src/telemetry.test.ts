import { exampleFacts } from '@aviary/hardware';
import { EXECUTION_STATES } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import {
  type MetricsRecord,
  type TelemetryRecord,
  telemetryAckSchema,
  telemetryBatchSchema,
  telemetryRecordSchema,
} from './telemetry.ts';

const at = 1_767_225_600_000;
const digest = 'a'.repeat(64);
const release = 'meter-reader@1.4.0';

const metrics: MetricsRecord = {
  type: 'metrics',
  at,
  windowSeconds: 10,
  release,
  digest,
  frames: 100,
  dropped: 0,
  errors: 0,
  lowConfidence: 3,
  labelled: 10,
  correct: 9,
  latencyMs: { p50: 10, p95: 20.5, max: 31, sum: 1_200 },
  provider: { requested: ['cuda', 'cpu'], effective: 'cpu' },
  process: { rssBytes: 120_000_000, cpuPercent: 37.5 },
  board: { temperatureC: -5 },
};
const RECORDS: Record<TelemetryRecord['type'], TelemetryRecord> = {
  facts: { type: 'facts', at, facts: exampleFacts('jetson-orin-nano') },
  running: { type: 'running', at, release: null, digest: null },
  execution: { type: 'execution', at, executionId: '0b0e5d5e-6a1f-4c62-9c6b-0d3a2b8b1f10', state: 'SUCCEEDED', digest },
  metrics,
  event: { type: 'event', at, level: 'warning', code: 'clock-behind', message: 'The clock is behind.' },
  gap: { type: 'gap', at, until: at + 60_000, thinned: { metrics: 12 } },
  learning: {
    type: 'learning',
    at,
    release: 'meter-reader@1.1.0',
    backbone: 'b'.repeat(64),
    base: 'c'.repeat(64),
    samples: 3,
    perLabel: { '7': 3 },
  },
  'operator-profile': {
    type: 'operator-profile',
    at,
    request: '0b0e5d5e-6a1f-4c62-9c6b-0d3a2b8b1f10',
    profile: null,
    refusal: { code: 'memory-short', message: 'It does not fit twice.' },
  },
};

const issuesOf = (value: unknown): string[] =>
  telemetryRecordSchema.safeParse(value).error?.issues.map(({ path }) => path.join('.')) ?? [];
const batch = (given: Record<string, unknown> = {}) =>
  telemetryBatchSchema.safeParse({ epoch: 1, seq: 1, records: [RECORDS.running], ...given });

describe('a telemetry record', () => {
  it.each(Object.values(RECORDS))('of type $type survives the wire as it is', (record) => {
    expect(telemetryRecordSchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
  });

  it.each(Object.values(RECORDS))('of type $type needs every part that is not optional', (record) => {
    const optional = new Set(['digest'].filter(() => record.type === 'execution'));
    for (const name of Object.keys(record).filter((key) => !optional.has(key))) {
      const rest = Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
      expect(issuesOf(rest)).toEqual([name]);
    }
  });

  it.each(Object.values(RECORDS))('of type $type loses what a newer agent adds, and nothing else', (record) => {
    expect(telemetryRecordSchema.parse({ ...record, mood: 'good' })).toEqual(record);
  });

  it('of a type that nobody knows is refused by its type', () => {
    expect(issuesOf({ type: 'weather', at })).toEqual(['type']);
    expect(issuesOf({ at })).toEqual(['type']);
  });

  it.each<[string, unknown, string]>([
    ['a count below zero', { ...metrics, frames: -1 }, 'frames'],
    ['a count in parts', { ...metrics, errors: 0.5 }, 'errors'],
    ['a count that no window can hold', { ...metrics, dropped: 2 ** 48 + 1 }, 'dropped'],
    ['a window of no time', { ...metrics, windowSeconds: 0 }, 'windowSeconds'],
    ['a window of more than a day', { ...metrics, windowSeconds: 86_401 }, 'windowSeconds'],
    ['a latency below zero', { ...metrics, latencyMs: { ...metrics.latencyMs, p95: -1 } }, 'latencyMs.p95'],
    [
      'a latency that is no number',
      { ...metrics, latencyMs: { ...metrics.latencyMs, max: Number.NaN } },
      'latencyMs.max',
    ],
    [
      'an endless latency',
      { ...metrics, latencyMs: { ...metrics.latencyMs, sum: Number.POSITIVE_INFINITY } },
      'latencyMs.sum',
    ],
    ['a load below zero', { ...metrics, board: { load1: -0.1 } }, 'board.load1'],
    ['a release without its version', { ...metrics, release: 'meter-reader' }, 'release'],
    ['a digest in capitals', { ...metrics, digest: 'A'.repeat(64) }, 'digest'],
    ['a digest that is too short', { ...RECORDS.running, digest: 'a'.repeat(63) }, 'digest'],
    ['a time in parts of a millisecond', { ...RECORDS.running, at: at + 0.5 }, 'at'],
    ['a time before 1970', { ...RECORDS.running, at: -1 }, 'at'],
    ['a time after the year 9999', { ...RECORDS.running, at: 253_402_300_800_000 }, 'at'],
    ['a time as a text', { ...RECORDS.running, at: '2026-01-01' }, 'at'],
    ['a state that no execution has', { ...RECORDS.execution, state: 'DONE' }, 'state'],
    ['an execution without a UUID', { ...RECORDS.execution, executionId: '1' }, 'executionId'],
    ['an event code with a blank', { ...RECORDS.event, code: 'clock behind' }, 'code'],
    ['an event code without end', { ...RECORDS.event, code: 'a'.repeat(65) }, 'code'],
    ['a message without end', { ...RECORDS.event, message: 'a'.repeat(1_001) }, 'message'],
    [
      'a reason without end',
      { ...RECORDS.execution, reason: { code: 'x', message: 'a'.repeat(1_001) } },
      'reason.message',
    ],
    ['a level that nobody knows', { ...RECORDS.event, level: 'fatal' }, 'level'],
    ['a gap of no number', { ...RECORDS.gap, thinned: { metrics: 'some' } }, 'thinned.metrics'],
    ['facts that are none', { ...RECORDS.facts, facts: { arch: 'arm64' } }, 'facts.agentVersion'],
  ])('with %s is refused there', (_, value, path) => {
    expect(issuesOf(value)[0]).toBe(path);
  });

  it('takes the limits themselves', () => {
    expect(issuesOf({ ...metrics, frames: 2 ** 48, windowSeconds: 86_400, at: 253_402_300_799_999 })).toEqual([]);
    expect(issuesOf({ ...RECORDS.event, message: 'a'.repeat(1_000), code: 'a'.repeat(64) })).toEqual([]);
  });

  it.each(EXECUTION_STATES)('takes the execution state %s', (state) => {
    expect(issuesOf({ ...RECORDS.execution, state })).toEqual([]);
  });
});

describe('a telemetry batch', () => {
  it('holds 1 to 256 records', () => {
    const of = (length: number) => batch({ records: Array.from({ length }, () => RECORDS.running) }).success;
    expect([of(0), of(1), of(256), of(257)]).toEqual([false, true, true, false]);
  });

  it.each([0, -1, 1.5, '1', null, undefined, Number.MAX_SAFE_INTEGER + 1])(
    'counts from 1 and by whole numbers, not %j',
    (number) => {
      expect(batch({ seq: number }).error?.issues.map(({ path }) => path[0])).toEqual(['seq']);
      expect(batch({ epoch: number }).error?.issues.map(({ path }) => path[0])).toEqual(['epoch']);
    },
  );

  it('says which of its records is wrong', () => {
    const { error } = batch({ records: [RECORDS.running, { ...metrics, frames: -1 }, { type: 'x' }] });
    expect(error?.issues.map(({ path }) => path.join('.'))).toEqual(['records.1.frames', 'records.2.type']);
  });
});

describe('an acknowledgement', () => {
  it('may say that nothing is stored yet: 0, which no batch has', () => {
    expect(telemetryAckSchema.safeParse({ epoch: 1, seq: 0 }).success).toBe(true);
    expect(telemetryAckSchema.safeParse({ epoch: 0, seq: 0 }).success).toBe(false);
    expect(telemetryAckSchema.safeParse({ epoch: 1, seq: -1 }).success).toBe(false);
  });
});
