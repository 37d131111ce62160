import { exampleFacts } from '@aviary/hardware';
import { type ExecutionState, pairInOrder, rotateBucket } from '@aviary/rollout';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WavePairs } from '../../apps/control-plane/src/features/rollouts/wave-pairs.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertDevice, insertRelease, insertRollout, variantRow } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';
import { openTestServices } from '../support/test-services.ts';

const BEFORE = 'meter@1.0.0';
const RELEASE = 'meter@2.0.0';
const VARIANT = variantRow('meter', '2.0.0', ['rpi5'], 1_000);
const DIGEST = VARIANT.plaintextSha256;
const MINUTE_MS = 60_000;

let t: TestDatabase;
let services: Services;
beforeAll(async () => {
  t = await TestDatabase.start();
  services = await openTestServices(t);
});
afterAll(async () => {
  await services.database.stop();
  await t.stop();
});
beforeEach(async () => {
  await t.clear();
  await insertRelease(t, BEFORE, 1);
  await insertRelease(t, RELEASE, 2, [VARIANT]);
  await t.query(
    `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
     values ($1, 'onnx-fp32', $2, repeat('d', 64), 1000, $3, '')`,
    [RELEASE, JSON.stringify(VARIANT), DIGEST],
  );
});

const addFleet = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await insertDevice(t, `d-${String(n).padStart(2, '0')}`, { running: BEFORE });
  await t.query(
    `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
    [BEFORE],
  );
};

const create = async (strategy: object, rest: object = {}, by = 'ana'): Promise<string> =>
  (await services.rollouts.create({ release: RELEASE, strategy, gates: [], ...rest }, by)).id;

/** Lets the conductor's steps run until there is nothing to do at once. */
const settle = async (id: string): Promise<void> => {
  for (let step = 0; await services.steps.step(id); step += 1) {
    if (step > 50) throw new Error('expected to come to rest');
  }
};

interface ExecutionRow {
  readonly id: string;
  readonly deviceId: string;
  readonly state: ExecutionState;
  readonly reason: string | null;
  readonly notBefore: Date;
}
const executionsOf = (id: string) =>
  t.query<ExecutionRow>(
    `select id, device_id as "deviceId", state, reason, case when not_before > '-infinity' then not_before end as "notBefore"
     from execution where rollout_id = $1 order by device_id`,
    [id],
  );
const inState = async (id: string, state: ExecutionState) =>
  (await executionsOf(id)).filter((execution) => execution.state === state);

const report = (execution: ExecutionRow, state: ExecutionState, at = Date.now()) =>
  t.database.transaction((sql) =>
    services.executions.report(sql, execution.deviceId, {
      type: 'execution',
      at,
      executionId: execution.id,
      state,
      ...(state === 'SUCCEEDED' ? { digest: DIGEST } : {}),
      ...(state === 'FAILED' ? { reason: { code: 'download-failed', message: 'the mirror was down' } } : {}),
    }),
  );
const show = (id: string) => services.rollouts.show(id);

describe('a comparison with the control group', () => {
  const OVER_MINUTES = 10;

  /** What a device measured in each minute, for twice `OVER_MINUTES` around a moment. */
  const measure = async (deviceId: string, switched: number, p95: (after: boolean) => number, after: string) => {
    for (let minute = -OVER_MINUTES; minute <= OVER_MINUTES + 1; minute += 1) {
      const isAfter = minute >= 0;
      await t.query(
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
    for (const { id: other } of await t.query<{ id: string }>('select id from device where id <> all ($1)', [taken])) {
      // Everybody got a little slower at that moment, for a reason that is not the release's.
      await measure(other, switched, (isAfter) => (isAfter ? 22 : 20), BEFORE);
    }
    await new WavePairs(t.database, t.log).form();
    await settle(id);
    return id;
  };

  it('stops a release that is slower than those that were held back, and says by how much', async () => {
    const rollout = await show(await run(2));
    const [gate] = rollout.waves[0]?.gates ?? [];
    expect(gate).toMatchObject({ gate: 'latencyP95 versus control', verdict: 'fail', bound: 0.15 });
    expect(gate?.words).toMatch(/^stopped: p95 \+8\d(\.\d)? % against control, margin 15 %, after \d devices$/);
    expect(gate?.comparison?.eWorse).toBeGreaterThanOrEqual(gate?.comparison?.eDecides ?? Number.NaN);
    expect(rollout.state).toBe('ROLLED_BACK');
    expect(rollout.evaluations.map(({ verdict }) => verdict)).toEqual(['not-enough', 'fail']);
  });

  it('pairs each device once, with its like, and keeps what it has measured', async () => {
    const id = await run(1.1);
    const pairs = await t.query<{ device: string; control: string; latency: number; unsure: number }>(
      `select device_id as device, control_id as control, latency_p95 as latency, low_confidence_rate as unsure
       from wave_pair where rollout_id = $1 order by id`,
      [id],
    );
    expect(pairs).toHaveLength(8);
    expect(new Set(pairs.flatMap(({ device, control }) => [device, control])).size).toBe(16);
    for (const { latency, unsure } of pairs) expect([latency, unsure]).toEqual([expect.closeTo(0, 9), 0]);
    const taken = new Set((await executionsOf(id)).map(({ deviceId }) => deviceId));
    // As in the simulations by which comparisons are measured: whoever is held back waits, the last of the walk first.
    const [rollout] = await t.query<{ offset: number }>('select bucket_offset as offset from rollout');
    const fleet = await t.query<{ device: string; bucket: number }>(
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

    await new WavePairs(t.database, t.log).form();
    expect(await t.query('select 1 from wave_pair')).toHaveLength(8);
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
      await t.query(
        `update metrics_minute set latency_p95_sum_ms = latency_p95_sum_ms * 10
         where device_id = $1 and minute >= to_timestamp($2::float8 / 1000) and minute < to_timestamp($3::float8 / 1000)`,
        [execution.deviceId, tried, switched],
      );
    }
    const taken = wave.map(({ deviceId }) => deviceId);
    for (const { id: other } of await t.query<{ id: string }>('select id from device where id <> all ($1)', [taken])) {
      await measure(other, switched, () => 20, BEFORE);
    }
    await new WavePairs(t.database, t.log).form();
    const pairs = await t.query<{ latency: number }>(
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
    const free = await t.query<{ id: string }>(
      'select id from device where not exists (select 1 from execution where device_id = device.id) order by id',
    );
    for (const { id: other } of free) await measure(other, switched, () => 20, BEFORE);
    const [kept, ...moved] = free.map((device) => device.id);
    const other = await create({ waves: [{ size: '100%' }] }, { target: `id in (${moved.join(', ')})` });
    await settle(other);
    for (const execution of await inState(other, 'NOTIFIED')) await report(execution, 'FAILED', switched);
    await t.query(`update execution set switched_at = to_timestamp($2::float8 / 1000) where rollout_id = $1`, [
      other,
      switched + 5 * MINUTE_MS,
    ]);
    await new WavePairs(t.database, t.log).form();
    const pairs = await t.query<{ control: string | null }>(
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
    await new WavePairs(t.database, t.log).form();
    await settle(id);
    // However short the soak, it is not judged before it can have been measured.
    expect((await show(id)).waves[0]?.state).toBe('SOAKING');
    await t.query('update wave set soak_until = now() where rollout_id = $1 and index = 0', [id]);
    await settle(id);
    const rollout = await show(id);
    expect(rollout).toMatchObject({ state: 'PAUSED', reason: expect.stringMatching(/^wave 1: cannot tell/) });
    expect((await services.rollouts.act(id, 'promote', 'ana')).waves[0]?.state).toBe('PASSED');
  });
});

describe('the rate', () => {
  it('tells so many at once, and the others later', async () => {
    await addFleet(12);
    const id = await create({ waves: [{ size: '100%' }], rate: { perMinute: 24, increase: 2, every: 4 } });
    await settle(id);
    expect(await inState(id, 'NOTIFIED')).toHaveLength(4);
    await settle(id);
    expect(await inState(id, 'QUEUED')).toHaveLength(8);

    // With four successes it is twice as fast: in ten seconds as many as eight.
    for (const execution of await inState(id, 'NOTIFIED')) await report(execution, 'SUCCEEDED');
    await t.query(`update rollout set rate_at = rate_at - interval '10 seconds'`);
    await settle(id);
    expect(await inState(id, 'NOTIFIED')).toHaveLength(8);
  });
});

describe('retries', () => {
  it('tells a failed device again, as often as was asked and after a while', async () => {
    await addFleet(1);
    const id = await create({ waves: [{ size: '100%' }], retries: 1 });
    await settle(id);
    const [first] = await inState(id, 'NOTIFIED');
    if (first === undefined) throw new Error('expected one to be told');
    await report(first, 'FAILED');
    const [waiting] = await inState(id, 'QUEUED');
    expect(waiting?.reason).toBe('try 1 failed: the mirror was down');
    expect(Number(waiting?.notBefore) - Date.now()).toBeGreaterThan(50_000);
    await settle(id);
    expect(await inState(id, 'QUEUED')).toHaveLength(1);

    await t.query(`update execution set not_before = now()`);
    await settle(id);
    const [second] = await inState(id, 'NOTIFIED');
    if (second === undefined) throw new Error('expected it to be told again');
    // What it still says of the first try moves nothing.
    await report(first, 'SUCCEEDED');
    expect(await inState(id, 'NOTIFIED')).toHaveLength(1);
    await report(second, 'FAILED');
    expect(await inState(id, 'FAILED')).toHaveLength(1);
  });
});

describe('a retry on a person’s word', () => {
  const failTwo = async () => {
    await addFleet(4);
    const id = await create({ waves: [{ size: '100%', soak: '1h' }], retries: 1 });
    await settle(id);
    await t.query(`update execution set failed_tries = 1`);
    const [first, second, third, fourth] = await inState(id, 'NOTIFIED');
    if (!first || !second || !third || !fourth) throw new Error('expected four to be told');
    await report(first, 'FAILED');
    await report(second, 'REJECTED');
    await t.query(`update execution set deadline_at = now() - interval '1 s' where id = $1`, [third.id]);
    await t.database.transaction((sql) => services.executions.expire(sql));
    await report(fourth, 'SUCCEEDED');
    await settle(id);
    expect(await show(id)).toMatchObject({ state: 'RUNNING', waves: [{ state: 'SOAKING' }] });
    return { id, first };
  };
  const ids = (rows: readonly ExecutionRow[]) => rows.map(({ deviceId }) => deviceId);

  it('takes what failed or timed out, once, and judges its wave anew', async () => {
    const { id, first } = await failTwo();
    const { retried, more, rollout } = await services.retries.retry(id, undefined, 'ana');
    expect([retried, more, rollout.waves[0]?.state]).toEqual([2, false, 'RUNNING']);
    expect(rollout.waves[0]).toMatchObject({ soakUntil: null, counts: { QUEUED: 2, REJECTED: 1, SUCCEEDED: 1 } });
    expect((await services.retries.retry(id, undefined, 'ana')).retried).toBe(0);
    expect((await inState(id, 'QUEUED'))[0]?.reason).toBe(
      'tried again, as ana has asked; before: FAILED, the mirror was down',
    );
    await settle(id);
    const told = await inState(id, 'NOTIFIED');
    expect(ids(told)).toEqual(['d-00', 'd-02']);
    // What it still says of the try before moves nothing.
    await report(first, 'SUCCEEDED');
    expect(await inState(id, 'NOTIFIED')).toHaveLength(2);
    for (const execution of told) await report(execution, 'SUCCEEDED');
    await settle(id);
    const { waves, history } = await show(id);
    expect(waves[0]).toMatchObject({ state: 'SOAKING', counts: { SUCCEEDED: 3, REJECTED: 1 } });
    expect(history.filter(({ by }) => by !== null).map(({ by, message }) => `${by}: ${message}`)).toEqual([
      'ana: created: meter@2.0.0 to all, 4 devices in 1 waves',
      'ana: 2 devices get a new try',
      'ana: wave 1: RUNNING, devices are tried again, as ana has asked',
    ]);
  });

  it('takes who succeeded and then ran something else', async () => {
    const { id } = await failTwo();
    await t.database.transaction((sql) => services.executions.noticeRunning(sql, 'd-03', BEFORE));
    expect((await services.retries.retry(id, ['d-03'], 'ana')).retried).toBe(1);
    const [again] = await inState(id, 'QUEUED');
    expect(again).toMatchObject({
      deviceId: 'd-03',
      reason: 'tried again, as ana has asked; before: SUCCEEDED, and then it ran something else',
    });
    await settle(id);
    expect(ids(await inState(id, 'NOTIFIED'))).toEqual(['d-03']);
    expect(await t.query('select 1 from execution where diverged')).toEqual([]);
  });

  it('takes who refused the release only by name, and names all that it cannot take', async () => {
    const { id } = await failTwo();
    const ask = (...devices: string[]) => services.retries.retry(id, devices, 'ana');
    await expect(ask('d-01', 'd-03', 'd-77')).rejects.toMatchObject({
      code: 'device-not-retried',
      message: expect.stringMatching(
        /d-03 has ended here as SUCCEEDED; d-77 has no part in this rollout\. Nothing was/,
      ),
    });
    expect(await inState(id, 'QUEUED')).toEqual([]);
    expect((await ask('d-01')).retried).toBe(1);
    expect(ids(await inState(id, 'QUEUED'))).toEqual(['d-01']);
    expect(ids(await inState(id, 'FAILED'))).toEqual(['d-00']);
  });

  it('leaves alone who was superseded, revoked, or moved on by a later rollout', async () => {
    const { id } = await failTwo();
    await t.query(
      `update execution set state = 'CANCELED', reason_code = 'superseded', reason = 'r wins' where device_id = 'd-00'`,
    );
    const later = await insertRollout(t, BEFORE, 'FINISHED');
    await t.query(`update assignment set rollout_id = $1 where device_id = 'd-02'`, [later]);
    expect((await services.retries.retry(id, undefined, 'ana')).retried).toBe(0);
    await expect(services.retries.retry(id, ['d-00', 'd-02'], 'ana')).rejects.toThrow(
      'd-00 was left to another rollout: r wins; d-02 was decided about by a later rollout',
    );
  });

  it('of a rollout that has ended is refused, with what to do instead', async () => {
    const { id } = await failTwo();
    await t.query(`update rollout set state = 'FINISHED' where id = $1`, [id]);
    await expect(services.retries.retry(id, undefined, 'ana')).rejects.toThrow(
      `Expected a rollout that is RUNNING or PAUSED for retry; this one is FINISHED. It has ended, so bring the release to those that are left, d-00, d-02, by a new one: aviary rollout create --release meter@2.0.0 --target 'id in (d-00, d-02)'`,
    );
  });

  it('shows who waits for what, and what went wrong, by reason', async () => {
    const { id } = await failTwo();
    const { troubles, waits, rate } = await show(id);
    expect(troubles.map(({ state, code, devices, names }) => [state, code, devices, names])).toEqual([
      ['FAILED', 'download-failed', 1, ['name of d-00']],
      ['REJECTED', null, 1, ['name of d-01']],
      ['TIMED_OUT', 'deadline', 1, ['name of d-02']],
    ]);
    expect([waits, rate]).toEqual([[], null]);
    await services.rollouts.act(id, 'pause', 'ben');
    await services.retries.retry(id, ['d-00'], 'ana');
    await t.query(`update execution set reason = null where state = 'QUEUED'`);
    expect((await show(id)).waits).toEqual([{ reason: 'waits until the rollout goes on', devices: 1, until: null }]);
    expect(await show(id)).toMatchObject({ reason: 'paused by ben' });
  });
});

describe('a window', () => {
  it('is looked at where each device is', async () => {
    await addFleet(2);
    const hour = new Date().getUTCHours();
    // West of Greenwich by as many hours: there it is this hour of the day, at the one that is far away it is not.
    await t.query(`update device set facts = $2 where id = $1`, [
      'd-01',
      JSON.stringify({ ...exampleFacts('rpi5'), timeZone: 'Pacific/Kiritimati' }),
    ]);
    const id = await create({
      waves: [{ size: '100%' }],
      window: { cron: `0 ${hour} * * *`, duration: '1h', zone: 'device' },
    });
    await settle(id);
    expect((await inState(id, 'NOTIFIED')).map(({ deviceId }) => deviceId)).toEqual(['d-00']);
    const [held] = await inState(id, 'QUEUED');
    expect(held).toMatchObject({ deviceId: 'd-01', reason: 'waits for its window' });
    // 14 hours ahead of UTC: the window there opens 10 hours after this hour of UTC began.
    const opens = new Date();
    opens.setUTCHours(hour + 10, 0, 0, 0);
    expect(held?.notBefore).toEqual(opens);
  });
});

describe('the terms of a switch', () => {
  const termsOf = async (deviceId: string) =>
    (await t.query<{ terms: unknown }>('select terms from assignment where device_id = $1', [deviceId]))[0]?.terms;

  it('go to the device with its assignment, and are gone with it', async () => {
    await addFleet(1);
    const window = { cron: '* * * * *', duration: '1h', zone: 'UTC' };
    const id = await create({ waves: [{ size: '100%' }], mode: 'soft', window, forceAfter: '1h', deadline: '2h' });
    const before = Date.now();
    await settle(id);
    expect(await termsOf('d-00')).toEqual({
      mode: 'soft',
      window: { ...window, duration: 3_600 },
      forceAt: expect.closeTo(before + 3_600_000, -5),
    });
    const [told] = await inState(id, 'NOTIFIED');
    if (told === undefined) throw new Error('expected it to be told');
    await report(told, 'FAILED');
    expect(await termsOf('d-00')).toBeNull();
  });

  it('have how it is to run in shadow, and what came of that is kept, whatever follows', async () => {
    await addFleet(1);
    const shadow = { seconds: '2m', every: 5, minAgreement: '90%' };
    const id = await create({ waves: [{ size: '100%' }], shadow });
    await settle(id);
    expect(await termsOf('d-00')).toEqual({ mode: 'forced', shadow: { seconds: 120, every: 5, minAgreement: 0.9 } });
    const [told] = await inState(id, 'NOTIFIED');
    if (told === undefined) throw new Error('expected it to be told');
    const figures = { frames: 24, agreement: 0.5, lower: 0.31, upper: 0.69, failed: 1, dropped: 2, seconds: 120 };
    const seen = { verdict: 'disagrees', ...figures, words: 'agrees on half' } as const;
    const say = (state: ExecutionState, message: string, came?: typeof seen) => {
      const record = {
        type: 'execution',
        at: Date.now(),
        executionId: told.id,
        state,
        reason: { code: 'shadow', message },
        ...(came === undefined ? {} : { shadow: came }),
      } as const;
      return services.database.transaction((sql) => services.executions.report(sql, told.deviceId, record));
    };
    const view = async () => (await services.rollouts.executions(id, { limit: 10 })).items[0];
    await say('INSTALLING', 'runs in shadow');
    expect(await view()).toMatchObject({ state: 'INSTALLING', reason: 'runs in shadow', shadow: null });
    // It has come no further, and says more.
    await say('INSTALLING', 'runs in shadow', seen);
    expect(await view()).toMatchObject({ state: 'INSTALLING', shadow: seen });
    await say('FAILED', 'it disagrees');
    expect(await view()).toMatchObject({ state: 'FAILED', reason: 'it disagrees', shadow: seen });
    const { items } = await services.devicePages.executions(told.deviceId);
    expect(items[0]?.shadow).toEqual(seen);
  });

  it('are none where a device may switch as soon as it can', async () => {
    await addFleet(1);
    const id = await create({ waves: [{ size: '100%' }] });
    await settle(id);
    expect(await termsOf('d-00')).toBeNull();
  });

  it('let a device say why it waits, that it goes on, and at its deadline why it had waited', async () => {
    await addFleet(1);
    const id = await create({ waves: [{ size: '100%' }], mode: 'soft' });
    await settle(id);
    const [told] = await inState(id, 'NOTIFIED');
    if (told === undefined) throw new Error('expected it to be told');
    const say = (state: ExecutionState, message?: string) => {
      const reason = message === undefined ? {} : { reason: { code: 'waits-for-consent', message } };
      const record = { type: 'execution', at: Date.now(), executionId: told.id, state, ...reason } as const;
      return services.database.transaction((sql) => services.executions.report(sql, told.deviceId, record));
    };
    const reason = async () => (await inState(id, 'DOWNLOADED'))[0]?.reason;
    await say('DOWNLOADED');
    expect(await reason()).toBeNull();
    await say('DOWNLOADED', 'waits for consent');
    expect(await reason()).toBe('waits for consent');
    await say('VERIFIED');
    expect((await inState(id, 'VERIFIED'))[0]?.reason).toBeNull();
    // To have fetched it is no end where it was to be switched to.
    await say('STAGED');
    expect(await inState(id, 'VERIFIED')).toHaveLength(1);
    await say('DOWNLOADED', 'waits for consent');
    await t.query('update execution set deadline_at = now()');
    await services.database.transaction((sql) => services.executions.expire(sql));
    expect((await inState(id, 'TIMED_OUT'))[0]?.reason).toBe(
      'said nothing final before its deadline (last state: DOWNLOADED, waits for consent)',
    );
  });

  it('of a download alone leave nothing to bring back, whoever was through with it and whoever was not', async () => {
    await addFleet(2);
    const id = await create({ waves: [{ size: '100%' }], mode: 'download-only' });
    await settle(id);
    const [through] = await inState(id, 'NOTIFIED');
    if (through === undefined) throw new Error('expected them to be told');
    await report(through, 'STAGED');
    const runs = 'select release from assignment where device_id = $1';
    expect(await t.query(runs, [through.deviceId])).toEqual([{ release: BEFORE }]);
    await services.database.transaction((sql) => services.executions.noticeRunning(sql, through.deviceId, BEFORE));
    await services.rollouts.act(id, 'undo', 'ana');
    await settle(id);
    expect(await services.rollouts.show(id)).toMatchObject({
      state: 'ROLLED_BACK',
      rollback: null,
      waves: [{ counts: { STAGED: 1, CANCELED: 1 } }],
    });
    expect(await t.query('select 1 from execution where diverged')).toEqual([]);
  });
});

describe('a required release', () => {
  it('is waited for, device by device, until the deadline', async () => {
    await addFleet(2);
    await insertRelease(t, 'meter@1.5.0', 3);
    const id = await create({ waves: [{ size: '100%' }], deadline: '1h' }, { requires: 'meter@1.5.0' });
    await t.query(`update device set running_release = 'meter@1.5.0' where id = 'd-00'`);
    await settle(id);
    expect((await inState(id, 'NOTIFIED')).map(({ deviceId }) => deviceId)).toEqual(['d-00']);
    const [waiting] = await inState(id, 'QUEUED');
    expect(waiting).toMatchObject({ deviceId: 'd-01', reason: 'waits for meter@1.5.0; it runs meter@1.0.0' });

    await t.query(`update execution set deadline_at = now() - interval '1 s' where id = $1`, [waiting?.id]);
    await t.database.transaction((sql) => services.executions.expire(sql));
    expect(await inState(id, 'TIMED_OUT')).toMatchObject([
      { reason: 'waits for meter@1.5.0; it runs meter@1.0.0; its deadline has passed' },
    ]);
  });

  it('has to be there', async () => {
    await addFleet(1);
    await expect(create({ deadline: 0 }, { requires: 'meter@9.0.0' })).rejects.toMatchObject({
      code: 'rollout-spec-invalid',
      problems: [
        { path: 'strategy.deadline' },
        { path: 'requires', message: 'expected a release that was pushed, got "meter@9.0.0"' },
      ],
    });
  });
});

describe('approval', () => {
  const asked = { approval: 'required' };

  it('is a second person’s', async () => {
    await addFleet(1);
    const id = await create({}, asked, 'ana');
    await settle(id);
    expect(await show(id)).toMatchObject({ state: 'WAITING_FOR_APPROVAL', createdBy: 'ana' });
    await expect(services.rollouts.act(id, 'approve', 'ana')).rejects.toMatchObject({
      code: 'approval-by-creator',
      status: 409,
    });
    expect((await services.rollouts.act(id, 'approve', 'ben')).state).toBe('READY');
  });

  it('ends a rollout when it is denied', async () => {
    await addFleet(1);
    const id = await create({}, asked);
    expect((await services.rollouts.act(id, 'deny', 'ben')).state).toBe('APPROVAL_DENIED');
    await expect(services.rollouts.act(id, 'resume', 'ben')).rejects.toMatchObject({
      code: 'rollout-command-refused',
    });
  });
});
