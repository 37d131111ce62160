import { pairInOrder, rotateBucket } from '@aviary/rollout';
import { describe, expect, it } from 'vitest';
import { WavePairs } from '../../apps/control-plane/src/features/rollouts/wave-pairs.ts';
import { BEFORE, RELEASE, rolloutRig } from '../support/rollout-rig.ts';

const MINUTE_MS = 60_000;
const rig = rolloutRig();
const { addFleet, create, settle, executionsOf, inState, report, show } = rig;

describe('a comparison with the control group', () => {
  const OVER_MINUTES = 10;

  /** What a device measured in each minute, for twice `OVER_MINUTES` around a moment. */
  const measure = async (deviceId: string, switched: number, p95: (after: boolean) => number, after: string) => {
    for (let minute = -OVER_MINUTES; minute <= OVER_MINUTES + 1; minute += 1) {
      const isAfter = minute >= 0;
      await rig.t.query(
        `insert into metrics_minute (device_id, release, minute, frames, dropped, errors, low_confidence, labelled, correct,
           latency_p95_sum_ms, latency_sum_ms, latency_max_ms)
         values ($1, $2, date_trunc('minute', to_timestamp($3::float8 / 1000)), 100, 0, 0, 5, 0, 0, 100 * $4::float8, 0, 0)`,
        [deviceId, isAfter ? after : BEFORE, switched + minute * MINUTE_MS, p95(isAfter)],
      );
    }
  };

  const compared = { gates: [{ latencyP95: { versus: 'control', margin: '15%' } }] };
  const strategy = { control: 8, waves: [{ size: 8, soak: '1h' }, { size: '100%' }], compareOver: `${OVER_MINUTES}m` };

  const run = async (slower: number): Promise<string> => {
    await addFleet(20);
    const id = await create(strategy, compared);
    await settle(id);
    const switched = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 20 * MINUTE_MS;
    const wave = await inState(id, 'NOTIFIED');
    expect(wave).toHaveLength(8);
    for (const execution of wave) {
      await report(execution, 'SUCCEEDED', switched + 30_000);
      await measure(execution.deviceId, switched, (isAfter) => (isAfter ? 20 * slower : 20), RELEASE);
    }
    const taken = wave.map(({ deviceId }) => deviceId);
    for (const { id: other } of await rig.t.query<{ id: string }>('select id from device where id <> all ($1)', [
      taken,
    ])) {
      // Everybody got a little slower at that moment, for a reason that is not the release's.
      await measure(other, switched, (isAfter) => (isAfter ? 22 : 20), BEFORE);
    }
    await new WavePairs(rig.t.database, rig.t.log).form();
    await settle(id);
    return id;
  };

  it('stops a release that is slower than those that were held back, and says by how much', async () => {
    const id = await run(2);
    const rollout = await show(id);
    const [gate] = rollout.waves[0]?.gates ?? [];
    expect(gate).toMatchObject({ gate: 'latencyP95 versus control', verdict: 'fail', bound: 0.15 });
    expect(gate?.words).toMatch(/^stopped: p95 \+8\d(\.\d)? % against control, margin 15 %, after \d devices$/);
    expect(gate?.comparison?.eWorse).toBeGreaterThanOrEqual(gate?.comparison?.eDecides ?? Number.NaN);
    expect(rollout.state).toBe('ROLLING_BACK');
    expect((await executionsOf(id)).filter(({ kind }) => kind === 'rollback')).toMatchObject(
      new Array(8).fill({ state: 'NOTIFIED', from: BEFORE }),
    );
    expect(rollout.evaluations.map(({ verdict }) => verdict)).toEqual(['not-enough', 'fail']);
  });

  it('pairs each device once, with its like, and keeps what it has measured', async () => {
    const id = await run(1.1);
    const pairs = await rig.t.query<{ device: string; control: string; latency: number; unsure: number }>(
      `select device_id as device, control_id as control, latency_p95 as latency, low_confidence_rate as unsure
       from wave_pair where rollout_id = $1 order by id`,
      [id],
    );
    expect(pairs).toHaveLength(8);
    expect(new Set(pairs.flatMap(({ device, control }) => [device, control])).size).toBe(16);
    for (const { latency, unsure } of pairs) expect([latency, unsure]).toEqual([expect.closeTo(0, 9), 0]);
    const taken = new Set((await executionsOf(id)).map(({ deviceId }) => deviceId));
    // As in the simulations by which comparisons are measured: whoever is held back waits, the last of the walk first.
    const [rollout] = await rig.t.query<{ offset: number }>('select bucket_offset as offset from rollout');
    const fleet = await rig.t.query<{ device: string; bucket: number }>(
      'select id as device, bucket from device order by id',
    );
    const turnOf = ({ bucket }: { bucket: number }) => rotateBucket(bucket, rollout?.offset ?? 0);
    const held = fleet.filter(({ device }) => !taken.has(device)).sort((a, b) => turnOf(b) - turnOf(a));
    const arrivals = [
      ...held.map(({ device }) => ({ device, group: 'control' as const })),
      ...[...taken].sort().map((device) => ({ device, group: 'wave' as const })),
    ].map((arrival) => ({ ...arrival, stratum: 'rpi5', change: 0 }));
    expect(pairs.map(({ device, control }) => [device, control])).toEqual(
      pairInOrder(arrivals).map(({ wave, control }) => [wave, control]),
    );
    expect(pairs.filter(({ control }) => taken.has(control))).toEqual([]);

    await new WavePairs(rig.t.database, rig.t.log).form();
    expect(await rig.t.query('select 1 from wave_pair')).toHaveLength(8);
  });

  it('is with what a device was before the release was tried on it, not while two ran beside each other', async () => {
    await addFleet(20);
    const id = await create(strategy, compared);
    await settle(id);
    const switched = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 20 * MINUTE_MS;
    const tried = switched - 2 * MINUTE_MS;
    const wave = await inState(id, 'NOTIFIED');
    for (const execution of wave) {
      await report(execution, 'INSTALLING', tried + 30_000);
      await report(execution, 'SUCCEEDED', switched + 30_000);
      await measure(execution.deviceId, switched, () => 20, RELEASE);
      // Two minutes of trial, in which what served was ten times as slow.
      await rig.t.query(
        `update metrics_minute set latency_p95_sum_ms = latency_p95_sum_ms * 10
         where device_id = $1 and minute >= to_timestamp($2::float8 / 1000) and minute < to_timestamp($3::float8 / 1000)`,
        [execution.deviceId, tried, switched],
      );
    }
    const taken = wave.map(({ deviceId }) => deviceId);
    for (const { id: other } of await rig.t.query<{ id: string }>('select id from device where id <> all ($1)', [
      taken,
    ])) {
      await measure(other, switched, () => 20, BEFORE);
    }
    await new WavePairs(rig.t.database, rig.t.log).form();
    const pairs = await rig.t.query<{ latency: number }>(
      'select latency_p95 as latency from wave_pair where rollout_id = $1',
      [id],
    );
    expect(pairs.map(({ latency }) => latency)).toEqual(Array.from({ length: 8 }, () => expect.closeTo(0, 9)));
  });

  it('is with nobody whom another rollout moved in the time that is compared', async () => {
    await addFleet(20);
    const id = await create(strategy, compared);
    await settle(id);
    const switched = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 20 * MINUTE_MS;
    for (const execution of await inState(id, 'NOTIFIED')) {
      await report(execution, 'SUCCEEDED', switched + 30_000);
      await measure(execution.deviceId, switched, () => 20, RELEASE);
    }
    const free = await rig.t.query<{ id: string }>(
      'select id from device where not exists (select 1 from execution where device_id = device.id) order by id',
    );
    for (const { id: other } of free) await measure(other, switched, () => 20, BEFORE);
    const [kept, ...moved] = free.map((device) => device.id);
    const other = await create({ waves: [{ size: '100%' }] }, { target: `id in (${moved.join(', ')})` });
    await settle(other);
    for (const execution of await inState(other, 'NOTIFIED')) await report(execution, 'FAILED', switched);
    await rig.t.query(`update execution set switched_at = to_timestamp($2::float8 / 1000) where rollout_id = $1`, [
      other,
      switched + 5 * MINUTE_MS,
    ]);
    await new WavePairs(rig.t.database, rig.t.log).form();
    const pairs = await rig.t.query<{ control: string | null }>(
      'select control_id as control from wave_pair where rollout_id = $1 and control_id is not null',
      [id],
    );
    expect(pairs).toEqual([{ control: kept }]);
  });

  it('cannot tell where the others measured nothing, and waits for a person', async () => {
    await addFleet(20);
    const id = await create({ ...strategy, waves: [{ size: 8, soak: 0 }, { size: '100%' }] }, compared);
    await settle(id);
    for (const execution of await inState(id, 'NOTIFIED')) await report(execution, 'SUCCEEDED', Date.now() - 3_600_000);
    await new WavePairs(rig.t.database, rig.t.log).form();
    await settle(id);
    // However short the soak, it is not judged before it can have been measured.
    expect((await show(id)).waves[0]?.state).toBe('SOAKING');
    await rig.t.query('update wave set soak_until = now() where rollout_id = $1 and index = 0', [id]);
    await settle(id);
    const rollout = await show(id);
    expect(rollout).toMatchObject({ state: 'PAUSED', reason: expect.stringMatching(/^wave 1: cannot tell/) });
    expect((await rig.services.rollouts.act(id, 'promote', 'ana')).waves[0]?.state).toBe('PASSED');
  });
});
