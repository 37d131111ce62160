import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperatorProfile } from '@aviary/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RecordHandlers } from '../../apps/control-plane/src/features/telemetry/record-handlers.ts';
import { readBatch } from '../../apps/control-plane/src/features/telemetry/telemetry-batch.ts';
import { TelemetryWriter } from '../../apps/control-plane/src/features/telemetry/telemetry-writer.ts';
import { insertDevice } from '../support/rows.ts';
import { runAviary } from '../support/run-aviary.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

const DEVICE = 'gate-3';

let plane: TestAdminPlane;
let writer: TelemetryWriter;
let seq = 0;

beforeAll(async () => {
  plane = await TestAdminPlane.start();
  const { devices, executions, operatorProfiles, database } = plane.services;
  writer = new TelemetryWriter(database, new RecordHandlers(devices, executions, operatorProfiles), plane.database.log);
});
afterAll(() => plane.stop());
beforeEach(async () => {
  await plane.database.clear();
  await insertDevice(plane.database, DEVICE);
  seq = 0;
});

const PROFILE: OperatorProfile = {
  release: 'digits@1.4.0',
  digest: 'b'.repeat(64),
  provider: 'cpu',
  frames: 10,
  runs: 10,
  runUs: 50_000,
  operatorUs: 40_000,
  operators: 2,
  slowest: [
    { model: null, name: '/conv1/Conv', type: 'Conv', provider: 'CPUExecutionProvider', calls: 10, totalUs: 30_000 },
    { model: null, name: '/fc/Gemm', type: 'Gemm', provider: 'CPUExecutionProvider', calls: 10, totalUs: 10_000 },
  ],
  types: [
    { type: 'Conv', provider: 'CPUExecutionProvider', operators: 1, calls: 10, totalUs: 30_000 },
    { type: 'Gemm', provider: 'CPUExecutionProvider', operators: 1, calls: 10, totalUs: 10_000 },
  ],
};

const request = (frames = 10, id = DEVICE) => plane.admin.requestOperatorProfile({ params: { id }, body: { frames } });
const newest = async () => (await plane.admin.listOperatorProfiles({ params: { id: DEVICE } })).items[0];
const take = () => plane.services.operatorProfiles.taskOf(DEVICE);

/** What a device says with its telemetry. */
const says = async (requested: string, answer: { profile?: OperatorProfile; refusal?: object }, from = DEVICE) => {
  seq += 1;
  const record = { type: 'operator-profile', at: 1, request: requested, profile: null, refusal: null, ...answer };
  await writer.write([readBatch(from, Buffer.from(JSON.stringify({ epoch: 1, seq, records: [record] })))]);
};
/** So that the next one need not wait. */
const rest = () => plane.database.query(`update operator_profile set ended_at = ended_at - interval '1 hour'`);

describe('an operator profile', () => {
  it('is asked for by ringing at the device, which sees what is wanted, and shown when it has answered', async () => {
    const { id, expiresAt } = await request();
    expect(await plane.database.query('select device_id, channel, payload from outbox')).toEqual([
      { device_id: DEVICE, channel: 'doorbell', payload: { reason: 'operator-profile' } },
    ]);
    expect(await newest()).toMatchObject({ id, state: 'WAITING', frames: 10, profile: null, endedAt: null });
    expect(await take()).toEqual({ id, frames: 10, expiresAt });
    await says(id, { profile: PROFILE });
    expect(await newest()).toMatchObject({ id, state: 'DONE', profile: PROFILE, refusal: null });
    await expect(take()).rejects.toMatchObject({ status: 404, code: 'operator-profile-none' });
  });

  it('that the device refuses says why', async () => {
    const { id } = await request();
    await says(id, { refusal: { code: 'memory-short', message: 'it needs about 300 MB' } });
    expect(await newest()).toMatchObject({ state: 'REFUSED', refusal: { code: 'memory-short' } });
  });

  it('is one at a time, and a while apart', async () => {
    const { id } = await request();
    await expect(request()).rejects.toMatchObject({ problem: { status: 409, code: 'operator-profile-open' } });
    await says(id, { profile: PROFILE });
    await expect(request()).rejects.toMatchObject({ problem: { status: 429, code: 'operator-profile-too-soon' } });
    await rest();
    await expect(request()).resolves.toMatchObject({ state: 'WAITING' });
  });

  it('is one at a time also for two who ask at once', async () => {
    const results = await Promise.allSettled([request(), request(), request()]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('expires when nobody answers; what comes later counts all the same', async () => {
    const { id } = await request();
    await plane.database.query('update operator_profile set expires_at = now()');
    expect(await newest()).toMatchObject({ state: 'EXPIRED' });
    await expect(take()).rejects.toMatchObject({ code: 'operator-profile-none' });
    await says(id, { profile: PROFILE });
    expect(await newest()).toMatchObject({ state: 'DONE' });
  });

  it('is not asked for again of a device that goes down over it each time', async () => {
    await request();
    for (let time = 1; time <= 3; time += 1) expect(await take()).toMatchObject({ frames: 10 });
    await expect(take()).rejects.toMatchObject({ code: 'operator-profile-none' });
  });

  it('is kept, the newest five of a device', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 7; i += 1) {
      const { id } = await request();
      ids.push(id);
      await says(id, { profile: PROFILE });
      await rest();
    }
    const { items } = await plane.admin.listOperatorProfiles({ params: { id: DEVICE } });
    expect(items.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 5));
    expect(await plane.database.query('select 1 from operator_profile')).toHaveLength(5);
  });

  it('of one device is answered by no other', async () => {
    await insertDevice(plane.database, 'gate-4');
    const { id } = await request();
    await says(id, { profile: PROFILE }, 'gate-4');
    expect(await newest()).toMatchObject({ state: 'WAITING' });
  });

  it('is asked of no device that there is not, or that was revoked', async () => {
    await expect(request(10, 'nobody')).rejects.toMatchObject({ problem: { status: 404, code: 'device-unknown' } });
    await expect(plane.admin.listOperatorProfiles({ params: { id: 'nobody' } })).rejects.toMatchObject({
      problem: { code: 'device-unknown' },
    });
    await plane.admin.revokeDevice({ params: { id: DEVICE } });
    await expect(request()).rejects.toMatchObject({ problem: { status: 409, code: 'device-revoked' } });
    await expect(request(201)).rejects.toMatchObject({ problem: { status: 400 } });
  });
});

// Runs the built command: npx tsc -b apps/cli
describe('aviary device profile', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'aviary-home-'));
    return () => rm(home, { recursive: true, force: true });
  });
  const aviary = (...args: string[]) =>
    runAviary(home, ['device', 'profile', DEVICE, ...args], '', {
      AVIARY_SERVER: plane.server,
      AVIARY_TOKEN: plane.services.adminToken,
    });

  it('waits for the answer, and shows the slowest operators', async () => {
    const running = aviary('--frames', '10');
    await expect.poll(newest, { timeout: 20_000 }).toMatchObject({ state: 'WAITING' });
    await says((await newest())?.id ?? '', { profile: PROFILE });
    const { code, stdout, stderr } = await running;
    expect(stderr).toContain(`Waiting for ${DEVICE}`);
    expect(stdout.trimEnd().split('\n').slice(1)).toEqual([
      'profiled  digits@1.4.0 on cpu, 10 frames, 10 runs',
      'runs      5.000 ms a frame, 80.0 % of it in operators',
      'operators 2',
      '',
      'TYPE  PROVIDER  OPERATORS  PER FRAME  SHARE',
      'Conv  CPU       1          3.000 ms   60.0 %',
      'Gemm  CPU       1          1.000 ms   20.0 %',
      '',
      'OPERATOR     TYPE  PROVIDER  CALLS  MEAN      PER FRAME  SHARE',
      '/conv1/Conv  Conv  CPU       10     3.000 ms  3.000 ms   60.0 %',
      '/fc/Gemm     Gemm  CPU       10     1.000 ms  1.000 ms   20.0 %',
    ]);
    expect(code).toBe(0);
  });

  it('says of a device that is offline that it is asked later, and does not wait when told so', async () => {
    await plane.database.query(`update device set presence = 'offline'`);
    const asked = await aviary('--expires', '12h', '--no-wait');
    expect(asked.stderr).toContain(`${DEVICE} is offline. It is asked when it comes back, until `);
    expect(asked.stderr).toContain(`aviary device profile ${DEVICE} --last`);
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('waits     for the device, until') });
    await says((await newest())?.id ?? '', { refusal: { code: 'nothing-serves', message: 'No release serves.' } });
    expect(await aviary('--last')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('refused   nothing-serves: No release serves.'),
    });
  });

  it('ends with 124 for one that has not answered in time, and says where nobody has asked', async () => {
    expect(await aviary('--last')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has not been asked for a profile yet'),
    });
    await request();
    await plane.database.query('update operator_profile set expires_at = now()');
    expect(await aviary('--last')).toMatchObject({ code: 124, stdout: expect.stringContaining('expired') });
    expect(await aviary('--last', '--frames', '3')).toMatchObject({ code: 2 });
  });
});
