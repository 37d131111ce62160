import { inflateSync } from 'node:zlib';
import { exampleFacts } from '@aviary/hardware';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensurePartitions } from '../../apps/control-plane/src/features/telemetry/partitions.ts';
import { RecordHandlers } from '../../apps/control-plane/src/features/telemetry/record-handlers.ts';
import { readBatch } from '../../apps/control-plane/src/features/telemetry/telemetry-batch.ts';
import { TelemetryWriter } from '../../apps/control-plane/src/features/telemetry/telemetry-writer.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { TestDatabase } from '../support/test-database.ts';
import { openTestServices } from '../support/test-services.ts';

const event = (message: string, at = 1_700_000_000_000) => ({
  type: 'event',
  at,
  level: 'info',
  code: 'tick',
  message,
});

const metrics = (release: string, at: number, more: object = {}) => ({
  type: 'metrics',
  at,
  windowSeconds: 10,
  release,
  digest: 'a'.repeat(64),
  frames: 10,
  dropped: 1,
  errors: 2,
  lowConfidence: 3,
  labelled: 4,
  correct: 4,
  latencyMs: { p50: 1, p95: 7, max: 9, sum: 50 },
  provider: { requested: ['cuda', 'cpu'], effective: 'cpu' },
  process: { rssBytes: 1, cpuPercent: 1 },
  board: {},
  ...more,
});

const batch = (deviceId: string, seq: number, more: { epoch?: number; records?: readonly object[] } = {}) =>
  readBatch(
    deviceId,
    Buffer.from(
      JSON.stringify({ epoch: more.epoch ?? 1, seq, records: more.records ?? [event(`${deviceId} ${seq}`)] }),
    ),
  );

describe('the telemetry writer, with a real database', () => {
  let t: TestDatabase;
  let services: Services;
  let writer: TelemetryWriter;

  beforeAll(async () => {
    t = await TestDatabase.start();
    services = await openTestServices(t);
    const handlers = new RecordHandlers(services.devices, services.executions, services.operatorProfiles);
    writer = new TelemetryWriter(services.database, handlers, t.log);
  });
  afterAll(async () => {
    await services.database.stop();
    await t.stop();
  });

  beforeEach(async () => {
    for (const id of ['d-one', 'd-two', 'd-three']) {
      await t.query(
        `insert into device (id, name, facts, recipient, certificate_fingerprint, certificate_expires_at)
         values ($1, $1, $2, 'age1', $1, now())`,
        [id, JSON.stringify(exampleFacts('rpi4'))],
      );
      await t.query('insert into telemetry_position (device_id, epoch, seq) values ($1, 1, 0)', [id]);
    }
  });
  afterEach(() => t.clear());

  const stored = (): Promise<{ device_id: string; epoch: number; seq: string }[]> =>
    t.query('select device_id, epoch, seq from telemetry_batch order by device_id, epoch, seq');
  const numbers = async () => (await stored()).map(({ device_id, epoch, seq }) => `${device_id} ${epoch}/${seq}`);
  const events = async () =>
    (await t.query<{ message: string }>('select message from device_event order by message')).map((row) => row.message);

  it('acknowledges batches in order, and keeps each message byte for byte', async () => {
    for (const seq of [1, 2, 3]) {
      expect(await writer.write([batch('d-one', seq)])).toEqual(new Map([['d-one', { epoch: 1, seq }]]));
    }
    expect(await numbers()).toEqual(['d-one 1/1', 'd-one 1/2', 'd-one 1/3']);
    const [row] = await t.query<{ payload: Buffer }>('select payload from telemetry_batch where seq = 2');
    expect(inflateSync(row?.payload ?? Buffer.alloc(0))).toEqual(batch('d-one', 2).payload);
  });

  it('stores a batch that comes again once, and acknowledges it again', async () => {
    await writer.write([batch('d-one', 1)]);
    await writer.write([batch('d-one', 2)]);
    expect(await writer.write([batch('d-one', 1)])).toEqual(new Map([['d-one', { epoch: 1, seq: 2 }]]));
    expect(await writer.write([batch('d-one', 2)])).toEqual(new Map([['d-one', { epoch: 1, seq: 2 }]]));
    expect(await events()).toEqual(['d-one 1', 'd-one 2']);
  });

  it('stores the same batch once when it comes several times at once', async () => {
    const acks = await Promise.all(Array.from({ length: 6 }, () => writer.write([batch('d-one', 1)])));
    expect(acks.map((ack) => ack.get('d-one'))).toEqual(Array.from({ length: 6 }, () => ({ epoch: 1, seq: 1 })));
    expect(await numbers()).toEqual(['d-one 1/1']);
  });

  it('does not acknowledge beyond a hole, and goes on where it is filled', async () => {
    await writer.write([batch('d-one', 1)]);
    expect(await writer.write([batch('d-one', 3)])).toEqual(new Map([['d-one', { epoch: 1, seq: 1 }]]));
    expect(await numbers()).toEqual(['d-one 1/1']);
    await writer.write([batch('d-one', 2)]);
    expect(await writer.write([batch('d-one', 3)])).toEqual(new Map([['d-one', { epoch: 1, seq: 3 }]]));
    expect(await numbers()).toEqual(['d-one 1/1', 'd-one 1/2', 'd-one 1/3']);
  });

  it('takes nothing of another epoch, older or newer, until the device has it', async () => {
    await writer.write([batch('d-one', 1)]);
    expect(await writer.write([batch('d-one', 2, { epoch: 2 })])).toEqual(new Map([['d-one', { epoch: 1, seq: 1 }]]));
    await t.query(`update telemetry_position set epoch = 2, seq = 0 where device_id = 'd-one'`);
    expect(await writer.write([batch('d-one', 2)])).toEqual(new Map([['d-one', { epoch: 2, seq: 0 }]]));
    expect(await writer.write([batch('d-one', 1, { epoch: 2 })])).toEqual(new Map([['d-one', { epoch: 2, seq: 1 }]]));
    expect(await numbers()).toEqual(['d-one 1/1', 'd-one 2/1']);
  });

  it('keeps the sequences of devices apart, and says nothing to one that it does not know', async () => {
    expect(await writer.write([batch('d-two', 1), batch('d-one', 1), batch('d-nobody', 1)])).toEqual(
      new Map([
        ['d-two', { epoch: 1, seq: 1 }],
        ['d-one', { epoch: 1, seq: 1 }],
      ]),
    );
    expect(await writer.write([batch('d-one', 2), batch('d-two', 3), batch('d-three', 1)])).toEqual(
      new Map([
        ['d-one', { epoch: 1, seq: 2 }],
        ['d-two', { epoch: 1, seq: 1 }],
        ['d-three', { epoch: 1, seq: 1 }],
      ]),
    );
    expect(await numbers()).toEqual(['d-one 1/1', 'd-one 1/2', 'd-three 1/1', 'd-two 1/1']);
    expect(await events()).toEqual(['d-one 1', 'd-one 2', 'd-three 1', 'd-two 1']);
  });

  it('acknowledges nothing, and has stored nothing, when the transaction is lost', async () => {
    const blocker = await t.another();
    await blocker.transaction(async (sql) => {
      // The second device's row is held, so that the transaction is caught with the first one done.
      await sql.query(`select 1 from telemetry_position where device_id = 'd-two' for update`);
      const lost = writer.write([batch('d-one', 1), batch('d-two', 1)]).then(
        (acks) => [...acks],
        (error: Error) => error.message,
      );
      while ((await t.kill('%telemetry_batch%')) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await lost).toMatch(/terminat/i);
    });
    await blocker.stop();
    expect(await numbers()).toEqual([]);
    expect(await events()).toEqual([]);
    expect((await writer.write([batch('d-one', 1), batch('d-two', 1)])).size).toBe(2);
  });

  it('takes a hundred devices in one transaction', async () => {
    await t.query(`insert into device (id, name, facts, recipient, certificate_fingerprint, certificate_expires_at)
      select 'd-' || n, 'n', '{}', 'age1', 'f', now() from generate_series(100, 199) as n`);
    await t.query(`insert into telemetry_position select 'd-' || n, 1, 0 from generate_series(100, 199) as n`);
    const batches = Array.from({ length: 100 }, (_, index) => batch(`d-${index + 100}`, 1));
    expect((await writer.write(batches)).size).toBe(100);
    const [written] = await t.query<{ transactions: number }>(
      'select count(distinct xmin::text)::integer as transactions from telemetry_batch',
    );
    expect(written).toEqual({ transactions: 1 });
  });

  it('lets one device’s nonsense cost nobody else anything', async () => {
    // Fits every schema, and a database's text cannot hold it.
    const nonsense = batch('d-two', 1, { records: [event('a \u0000 in words')] });
    expect((await writer.write([batch('d-one', 1), nonsense, batch('d-three', 1)])).size).toBe(3);
    expect(await numbers()).toEqual(['d-one 1/1', 'd-three 1/1', 'd-two 1/1']);
    expect(await events()).toEqual(['d-one 1', 'd-three 1']);
    expect(t.lines.find(({ reason }) => reason !== undefined)).toMatchObject({
      device: 'd-two',
      reason: expect.stringContaining('the database refuses what it says'),
    });
  });

  it('stores a batch of a newer agent whole, and acts on what it understands', async () => {
    const mixed = batch('d-one', 1, { records: [{ type: 'horoscope', at: 1 }, event('understood')] });
    expect(await writer.write([mixed])).toEqual(new Map([['d-one', { epoch: 1, seq: 1 }]]));
    expect(await events()).toEqual(['understood']);
    const [row] = await t.query<{ payload: Buffer }>('select payload from telemetry_batch');
    expect(inflateSync(row?.payload ?? Buffer.alloc(0)).toString()).toContain('horoscope');
  });

  it('adds metrics up by release and by minute, once', async () => {
    const minute = 1_700_000_040_000;
    const records = [
      metrics('m@1.0.0', minute),
      metrics('m@1.0.0', minute + 10_000),
      metrics('m@1.0.0', minute + 60_000),
    ];
    await writer.write([batch('d-one', 1, { records })]);
    await writer.write([batch('d-one', 1, { records })]);
    const other = metrics('m@2.0.0', minute + 70_000, { frames: 0, latencyMs: { p50: 0, p95: 0, max: 0, sum: 0 } });
    await writer.write([batch('d-one', 2, { records: [metrics('m@1.0.0', minute + 70_000), other] })]);
    expect(
      await t.query(
        `select release, frames::integer, dropped::integer, errors::integer, latency_p95_ms, requested_provider from field_metrics order by release`,
      ),
    ).toEqual([
      { release: 'm@1.0.0', frames: 40, dropped: 4, errors: 8, latency_p95_ms: 7, requested_provider: 'cuda' },
      { release: 'm@2.0.0', frames: 0, dropped: 1, errors: 2, latency_p95_ms: null, requested_provider: 'cuda' },
    ]);
    expect(
      await t.query(
        `select release, extract(epoch from minute)::integer as minute, frames::integer, latency_sum_ms, latency_max_ms
         from metrics_minute order by release, minute`,
      ),
    ).toEqual([
      { release: 'm@1.0.0', minute: minute / 1000, frames: 20, latency_sum_ms: 100, latency_max_ms: 9 },
      { release: 'm@1.0.0', minute: minute / 1000 + 60, frames: 20, latency_sum_ms: 100, latency_max_ms: 9 },
      { release: 'm@2.0.0', minute: minute / 1000 + 60, frames: 0, latency_sum_ms: 0, latency_max_ms: 0 },
    ]);
  });

  it('keeps how the board was in the newest window, for whoever looks at the device', async () => {
    const minute = 1_700_000_040_000;
    const at = (ms: number, board: object, release = 'm@1.0.0') => metrics(release, minute + ms, { board });
    const shown = async () => (await services.devicePages.show('d-one')).board;
    expect(await shown()).toBeNull();
    const hot = { temperatureC: 84.5, throttled: ['throttled', 'under-voltage'] };
    await writer.write([batch('d-one', 1, { records: [at(0, { temperatureC: 60 }), at(10_000, hot)] })]);
    expect(await shown()).toEqual({ at: minute + 10_000, state: hot });
    const cool = { temperatureC: 55, powerW: 5.541, gpuPercent: 25, throttled: [] };
    await writer.write([batch('d-one', 2, { records: [at(20_000, cool, 'm@2.0.0')] })]);
    expect(await shown()).toEqual({ at: minute + 20_000, state: cool });
  });

  it('says in an event what a device’s full spool let go', async () => {
    const gap = { type: 'gap', at: 1_700_000_000_000, until: 1_700_000_060_000, thinned: { metrics: 12 } };
    await writer.write([batch('d-one', 1, { records: [gap] })]);
    expect(await events()).toEqual(['The spool was full; let go until 2023-11-14T22:14:20.000Z: {"metrics":12}']);
  });

  it('has a partition for today and the days to come, made once by however many make it', async () => {
    await Promise.all(Array.from({ length: 5 }, () => ensurePartitions(t.database)));
    const [{ today } = { today: '' }] = await t.query<{ today: string }>(
      `select to_char(now() at time zone 'utc', 'YYYYMMDD') as today`,
    );
    const partitions = await t.query<{ name: string; bounds: string }>(
      `select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bounds
       from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'telemetry_batch'::regclass order by 1`,
    );
    expect(partitions).toHaveLength(4);
    expect(partitions[0]?.name).toBe(`telemetry_batch_${today}`);
    expect(partitions.at(-1)).toEqual({ name: 'telemetry_batch_default', bounds: 'DEFAULT' });
    await writer.write([batch('d-one', 1)]);
    expect(await t.query('select tableoid::regclass::text as place from telemetry_batch')).toEqual([
      { place: `telemetry_batch_${today}` },
    ]);
  });
});
