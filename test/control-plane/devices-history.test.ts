import { exampleFacts } from '@aviary/hardware';
import { ApiError, type DeviceHistoryEntry } from '@aviary/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RecordHandlers } from '../../apps/control-plane/src/features/telemetry/record-handlers.ts';
import { readBatch } from '../../apps/control-plane/src/features/telemetry/telemetry-batch.ts';
import { TelemetryWriter } from '../../apps/control-plane/src/features/telemetry/telemetry-writer.ts';
import { ApiProcess } from '../support/api-process.ts';
import { insertDevice, insertRelease, insertRollout } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';

const DIGEST = 'e'.repeat(64);
const MINUTE = 60_000;
/** A whole minute, half an hour ago. */
const START = Math.floor(Date.now() / MINUTE) * MINUTE - 30 * MINUTE;

describe('one device as a person sees it, with a real database over real HTTP', () => {
  let t: TestDatabase;
  let api: ApiProcess;
  let writer: TelemetryWriter;
  let seq = 0;

  beforeAll(async () => {
    t = await TestDatabase.start();
    api = await ApiProcess.start(t);
    const handlers = new RecordHandlers(api.services.devices, api.services.executions, api.services.operatorProfiles);
    writer = new TelemetryWriter(api.services.database, handlers, t.log);
  });
  afterAll(async () => {
    await api.stop();
    await t.stop();
  });
  beforeEach(async () => {
    seq = 0;
    await insertDevice(t, 'd-one', { running: 'm@1.0.0' });
  });
  afterEach(() => t.clear());

  const say = async (...records: object[]) => {
    seq += 1;
    const acks = await writer.write([readBatch('d-one', Buffer.from(JSON.stringify({ epoch: 1, seq, records })))]);
    expect(acks.get('d-one')).toEqual({ epoch: 1, seq });
  };
  const metrics = (at: number, release: string, frames: number) => ({
    type: 'metrics',
    at,
    windowSeconds: 10,
    release,
    digest: 'a'.repeat(64),
    frames,
    dropped: 1,
    errors: 2,
    lowConfidence: 3,
    labelled: 4,
    correct: 3,
    latencyMs: { p50: 1, p95: 7, max: frames === 0 ? 0 : 9, sum: frames * 2 },
    provider: { requested: ['cpu'], effective: 'cpu' },
    process: { rssBytes: 1, cpuPercent: 1 },
    board: {},
  });
  const minutes = async (query: { since?: number; until?: number } = {}) =>
    (await api.client.deviceMetrics({ params: { id: 'd-one' }, query })).items;
  const show = () => api.client.showDevice({ params: { id: 'd-one' } });
  const codeOf = (answer: Promise<unknown>) =>
    answer.then(
      () => 'answered',
      (error: unknown) => (error instanceof ApiError ? error.code : String(error)),
    );

  it('tells what it measured by the minute, oldest first', async () => {
    await say(
      metrics(START, 'm@1.0.0', 10),
      metrics(START + 10_000, 'm@1.0.0', 30),
      metrics(START + MINUTE, 'm@1.0.0', 0),
      metrics(START + MINUTE, 'm@2.0.0', 5),
    );
    const rest = { dropped: 1, errors: 2, lowConfidence: 3, labelled: 4, correct: 3 };
    expect(await minutes()).toEqual([
      {
        at: START,
        release: 'm@1.0.0',
        frames: 40,
        dropped: 2,
        errors: 4,
        lowConfidence: 6,
        labelled: 8,
        correct: 6,
        latencyMeanMs: 2,
        latencyMaxMs: 9,
      },
      { at: START + MINUTE, release: 'm@1.0.0', frames: 0, ...rest, latencyMeanMs: null, latencyMaxMs: null },
      { at: START + MINUTE, release: 'm@2.0.0', frames: 5, ...rest, latencyMeanMs: 2, latencyMaxMs: 9 },
    ]);
  });

  it('tells the time that was asked for, its ends included, and never more than a day', async () => {
    await t.query(
      `insert into metrics_minute
       select 'd-one', 'm@1.0.0', to_timestamp($1::float8 / 1000) + n * interval '1 minute', 1, 0, 0, 0, 0, 0, 1, 1
       from generate_series(-2000, 0) as n`,
      [START],
    );
    const times = async (query?: { since?: number; until?: number }) => (await minutes(query)).map(({ at }) => at);
    expect(await times({ since: START - 2 * MINUTE, until: START })).toEqual([
      START - 2 * MINUTE,
      START - MINUTE,
      START,
    ]);
    const hour = await times();
    expect(hour.at(-1)).toBe(START);
    expect(hour.length).toBeGreaterThan(28);
    expect(hour.length).toBeLessThan(32);
    expect(await times({ until: START - 1000 * MINUTE })).toHaveLength(61);
    const all = await times({ since: 0 });
    expect([all.length, all[0], all.at(-1)]).toEqual([1440, START - 1439 * MINUTE, START]);
    expect(await codeOf(minutes({ since: START + 1, until: START }))).toBe('range-invalid');
    expect(await codeOf(api.client.deviceMetrics({ params: { id: 'd-nobody' } }))).toBe('device-unknown');
  });

  it('tells its part in rollouts, newest first', async () => {
    await insertRelease(t, 'm@1.0.0', 1);
    const [first, second] = [
      await insertRollout(t, 'm@1.0.0', 'FINISHED'),
      await insertRollout(t, 'm@1.0.0', 'RUNNING'),
    ];
    for (const [rollout, state, reason, ago] of [
      [first, 'FAILED', 'it did not start', '2 hours'],
      [second, 'SUCCEEDED', null, '1 hour'],
    ] as const) {
      await t.query(
        `insert into execution (rollout_id, wave_index, device_id, kind, state, reason, deadline_at, created_at, ended_at)
         values ($1, 0, 'd-one', 'install', $2, $3, now(), now() - $4::interval, now())`,
        [rollout, state, reason, ago],
      );
    }
    const { items } = await api.client.deviceExecutions({ params: { id: 'd-one' } });
    expect(items).toMatchObject([
      { rolloutId: second, release: 'm@1.0.0', kind: 'install', state: 'SUCCEEDED', diverged: false, reason: null },
      { rolloutId: first, state: 'FAILED', reason: 'it did not start' },
    ]);
    expect(await codeOf(api.client.deviceExecutions({ params: { id: 'd-nobody' } }))).toBe('device-unknown');
  });

  it('says which variant it gets of what it is to run, and why', async () => {
    expect((await show()).choice).toBeNull();
    const variant = (name: string, precision: string, requires?: object) => ({
      variant: name,
      runtime: 'onnxruntime',
      format: 'onnx',
      precision,
      profiles: name === 'other' ? ['rpi4'] : ['rpi5'],
      ...(requires === undefined ? {} : { requires }),
    });
    await insertRelease(t, 'm@1.0.0', 1, [variant('plain', 'fp32'), variant('huge', 'fp32', { minMemoryMB: 999_999 })]);
    await insertRelease(t, 'm@2.0.0', 2, [variant('huge', 'fp32', { minMemoryMB: 999_999 })]);
    const onnx = { runtime: 'onnxruntime', format: 'onnx', precision: 'fp32', behind: null };
    const tooLarge = { code: 'memory', words: expect.stringMatching(/^needs MB of memory 999999/) };
    expect((await show()).choice).toEqual({
      release: 'm@1.0.0',
      profile: 'rpi5',
      variant: 'plain',
      refusal: null,
      words: [expect.stringMatching(/^plain: chosen/), expect.stringMatching(/^huge: cannot run: .*memory/)],
      considered: [
        { variant: 'plain', ...onnx, rank: 1, rejections: [] },
        { variant: 'huge', ...onnx, rank: null, rejections: [tooLarge] },
      ],
    });
    await t.query(`insert into assignment (device_id, sequence, release) values ('d-one', 1, 'm@2.0.0')`);
    expect((await show()).choice).toEqual({
      release: 'm@2.0.0',
      profile: 'rpi5',
      variant: null,
      refusal: 'no-variant',
      words: [expect.stringMatching(/^huge: cannot run: .*memory/)],
      considered: [{ variant: 'huge', ...onnx, rank: null, rejections: [tooLarge] }],
    });
    await insertRelease(t, 'm@3.0.0', 3, [variant('other', 'fp32')]);
    await t.query(`update assignment set release = 'm@3.0.0'`);
    expect((await show()).choice).toMatchObject({
      variant: null,
      words: ['the publisher made no variant for rpi5'],
    });
    await t.query('update device set profile = null');
    expect((await show()).choice).toMatchObject({ variant: null, words: ['no profile fits this device'] });
  });

  it('says which variant it would get of any release', async () => {
    await insertRelease(t, 'm@9.0.0', 9);
    const ask = (id: string, release: string) => api.client.deviceChoice({ params: { id, release } });
    expect(await ask('d-one', 'm@9.0.0')).toEqual({
      release: 'm@9.0.0',
      profile: 'rpi5',
      variant: null,
      refusal: 'no-variant',
      words: ['the publisher made no variant for rpi5'],
      considered: [],
    });
    expect(await codeOf(ask('d-one', 'm@8.0.0'))).toBe('release-unknown');
    expect(await codeOf(ask('d-nobody', 'm@9.0.0'))).toBe('device-unknown');
  });

  it('tells its whole history in pages, newest first, nothing twice and nothing left out', async () => {
    const { devices, revocation, database } = api.services;
    const certificate = { pem: '', fingerprint: 'a'.repeat(64), expiresAt: new Date(Date.now() + 1e9) };
    const board = { id: 'd-two', labels: {}, facts: exampleFacts('rpi5'), recipient: 'age1', certificate };
    await database.transaction((sql) => devices.add(sql, { ...board, name: 'two' }));
    const running = (release: string | null) => ({
      type: 'running' as const,
      at: START,
      release,
      digest: release && DIGEST,
    });
    await database.transaction((sql) => devices.recordRunning(sql, 'd-two', running('m@1.0.0')));
    // What it runs already is no news.
    await database.transaction((sql) => devices.recordRunning(sql, 'd-two', running('m@1.0.0')));
    await insertRelease(t, 'm@0.9.0', 1);
    await insertRelease(t, 'm@1.0.0', 2);
    const rollout = await insertRollout(t, 'm@1.0.0', 'FINISHED');
    await t.query(
      `insert into execution (rollout_id, wave_index, device_id, kind, state, reason, from_release, ended_at) values
         ($1, 0, 'd-two', 'install', 'ROLLED_BACK', 'it was slow', 'm@0.9.0', now()),
         ($1, null, 'd-two', 'rollback', 'SUCCEEDED', null, 'm@0.9.0', now())`,
      [rollout],
    );
    await database.transaction((sql) => devices.readmit(sql, board));
    await revocation.revoke('d-two', 'ana');
    await revocation.revoke('d-two', 'ben');
    // Three at one moment.
    for (const message of ['one', 'two', 'three']) {
      const event = { at: Date.now() + MINUTE, level: 'warning' as const, code: 'board-hot', message };
      await database.transaction((sql) => devices.recordEvent(sql, 'd-two', { ...event, at: START + 60 * MINUTE }));
    }
    const all: DeviceHistoryEntry[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const query = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
      const page = await api.client.deviceHistory({ params: { id: 'd-two' }, query });
      expect(page.items.length).toBeGreaterThan(0);
      all.push(...page.items);
      cursor = page.nextCursor;
    }
    const told = all.map(({ words, by }) => (by === null ? words : `${words} (${by})`));
    expect(told.slice(0, 5)).toEqual([
      'board-hot: three',
      'board-hot: two',
      'board-hot: one',
      'was revoked (ana)',
      'joined again, with new keys: epoch 2',
    ]);
    // Two executions of one statement came at one moment; which is told first is not said.
    expect(told.slice(5, 7).sort()).toEqual([
      'back: m@1.0.0 → m@0.9.0, SUCCEEDED',
      'm@0.9.0 → m@1.0.0, ROLLED_BACK: it was slow',
    ]);
    expect(told.slice(7)).toEqual([`runs m@1.0.0, digest ${DIGEST.slice(0, 12)}…`, 'joined the fleet']);
    expect(all[7]).toMatchObject({ kind: 'runs', running: { release: 'm@1.0.0', digest: DIGEST }, level: 'info' });
    const install = all.find(({ execution }) => execution?.kind === 'install');
    expect(install).toMatchObject({
      level: 'warning',
      execution: { from: 'm@0.9.0', to: 'm@1.0.0', rolloutId: rollout },
    });
    const ask = (cursor: string) => api.client.deviceHistory({ params: { id: 'd-two' }, query: { cursor } });
    expect(await codeOf(ask('yesterday'))).toBe('cursor-invalid');
  });

  it('says how much it keeps to learn from, as it last said', async () => {
    expect((await show()).learning).toBeNull();
    const learning = (samples: number, perLabel: object) => ({
      type: 'learning',
      at: START + samples,
      release: 'm@1.0.0',
      backbone: 'b'.repeat(64),
      base: 'c'.repeat(64),
      samples,
      perLabel,
    });
    await say(learning(3, { dark: 1, bright: 2 }));
    await say(learning(5, { dark: 3, bright: 2 }), { type: 'facts', at: START, facts: exampleFacts('rpi5') });
    expect((await show()).learning).toEqual({
      backbone: 'b'.repeat(64),
      release: 'm@1.0.0',
      samples: 5,
      perLabel: { dark: 3, bright: 2 },
      at: START + 5,
    });
  });
});
