import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exampleFacts } from '@aviary/hardware';
import { type MetricsRecord, parseJoinToken } from '@aviary/protocol';
import pg from 'pg';
import { type Identity, loadIdentity } from '../../apps/agent/src/identity/identity.ts';
import { joinFleet } from '../../apps/agent/src/identity/join.ts';
import { StayingProcess } from '../../apps/cli/src/demo/child-process.ts';
import { freePort } from '../support/free-port.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { type Bench, median } from './harness.ts';
import { DeviceLoad } from './ingest/device-load.ts';

const BROKER_ONLY = fileURLToPath(new URL('ingest/broker-without-database.ts', import.meta.url));
/** Enough that a gateway which waits for a commit always has other batches to read meanwhile. */
const DEVICES = 400;
/** Many short ones: a shared machine changes its pace from one second to the next, and both sides of a round should see the same. */
const ROUNDS = 31;
const ROUND_SECONDS = 1;
const INSERT_SECONDS = 0.5;
const WARM_UP_SECONDS = 4;
/** Windows in a batch: some minutes without a connection, as after a short outage of a whole site. */
const RECORDS = 32;
/** As many statements under way at once as the gateway's pool may have. */
const CONNECTIONS = 12;
const INSERT = 'insert into bench_value (device_id, release, at, name, value) values ($1, $2, now(), $3, $4)';

const metrics = (index: number): MetricsRecord => ({
  type: 'metrics',
  at: Date.now() - (RECORDS - index) * 10_000,
  windowSeconds: 10,
  release: 'meter-reader@1.4.0',
  digest: 'c0ffee'.padEnd(64, '0'),
  frames: 150 + (index % 7),
  dropped: index % 3,
  errors: 0,
  lowConfidence: 3 + (index % 5),
  labelled: 0,
  correct: 0,
  latencyMs: { p50: 11.25 + index / 16, p95: 17.5 + index / 8, max: 31.125, sum: 1800.5 + index },
  provider: { requested: ['cpu'], effective: 'cpu' },
  process: { rssBytes: 91_234_304, cpuPercent: 41.5 },
  board: { memoryFreeMB: 5120, diskFreeMB: 23_000, temperatureC: 51.5, load1: 0.75 },
});

const countNumbers = (value: unknown): number => {
  if (typeof value === 'number') return 1;
  return typeof value === 'object' && value !== null
    ? Object.values(value)
        .map(countNumbers)
        .reduce((a, b) => a + b, 0)
    : 0;
};
/** Measurements in a record: all its numbers but its time and the length of its window. */
const valuesIn = (record: MetricsRecord): number => countNumbers(record) - 2;

const enroll = async (fleet: TestFleet, index: number): Promise<Identity> => {
  const directory = join(fleet.directory, `device-${index}`);
  await mkdir(directory);
  const { token } = await fleet.client.createJoinToken({ body: {} });
  await joinFleet(directory, parseJoinToken(token), { name: `bench-${index}`, facts: exampleFacts('rpi5') });
  return loadIdentity(directory);
};

const isListening = (port: number): Promise<true | undefined> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(undefined));
  });

/** The naive way: each value of a measurement is a row of its own. @returns values per second */
const measureInserts = async (pool: pg.Pool, seconds: number): Promise<number> => {
  let inserted = 0;
  const from = performance.now();
  const end = from + seconds * 1000;
  const lane = async (): Promise<void> => {
    const client = await pool.connect();
    try {
      while (performance.now() < end) {
        const values = ['device', 'meter-reader@1.4.0', 'latency_p95_ms', inserted];
        await client.query({ name: 'insert', text: INSERT, values });
        inserted += 1;
      }
    } finally {
      client.release();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  return inserted / ((performance.now() - from) / 1000);
};

interface Rates {
  readonly stored: number;
  readonly brokerOnly: number;
  readonly inserted: number;
}

const bench: Bench = {
  about: `${DEVICES} devices that empty a backlog (${RECORDS} windows a batch, one batch in flight each) over mutual TLS; acknowledged after commit`,
  async run(report) {
    const fleet = await TestFleet.start();
    const records = Array.from({ length: RECORDS }, (_, index) => metrics(index));
    const values = records.map(valuesIn).reduce((a, b) => a + b, 0);
    const databaseUrl = await fleet.databaseUrl();
    const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS });
    const port = await freePort();
    const brokerOnly = new StayingProcess(
      'broker',
      BROKER_ONLY,
      ['--data', fleet.data, '--mqtt-port', `${port}`],
      join(fleet.directory, 'broker-only.log'),
      { DATABASE_URL: databaseUrl },
    );
    const loads: DeviceLoad[] = [];
    try {
      await pool.query(
        'create table bench_value (device_id text, release text, at timestamptz, name text, value float8)',
      );
      const identities: Identity[] = [];
      for (let index = 0; index < DEVICES; index += 1) identities.push(await enroll(fleet, index));
      await until('the broker without a database', 20, () => isListening(port));
      const gateway = await DeviceLoad.connect(identities, fleet.mqttPort, records);
      const without = await DeviceLoad.connect(identities, port, records);
      loads.push(gateway, without);
      await gateway.measure(WARM_UP_SECONDS);
      await without.measure(WARM_UP_SECONDS);
      await measureInserts(pool, 1);

      const rounds: Rates[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const stored = await gateway.measure(ROUND_SECONDS);
        const alone = await without.measure(ROUND_SECONDS);
        rounds.push({ stored, brokerOnly: alone, inserted: await measureInserts(pool, INSERT_SECONDS) });
      }
      const stored = median(rounds.map((rates) => rates.stored));
      report({
        figure: 'batches acknowledged after commit',
        value: stored,
        unit: 'batches/s',
        versus: `same broker, no database (${median(rounds.map((rates) => rates.brokerOnly)).toFixed(0)} batches/s)`,
        ratio: median(rounds.map((rates) => rates.stored / rates.brokerOnly)),
        goal: { at: 'least', ratio: 0.75 },
      });
      report({
        figure: 'values stored',
        value: stored * values,
        unit: 'values/s',
        versus: `one INSERT per value on ${CONNECTIONS} connections (${median(rounds.map((rates) => rates.inserted)).toFixed(0)} values/s)`,
        ratio: median(rounds.map((rates) => (rates.stored * values) / rates.inserted)),
        goal: { at: 'least', ratio: 50 },
      });
    } finally {
      for (const load of loads) load.close();
      await pool.end();
      await brokerOnly.stop();
      await fleet.stop();
    }
  },
};
export default bench;
