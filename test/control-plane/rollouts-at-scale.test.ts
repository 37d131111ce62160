import { BUCKETS, rotateBucket } from '@aviary/rollout';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { foldMoves, loadSnapshot } from '../../apps/control-plane/src/features/rollouts/rollout-snapshot.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertFleet, insertRelease, variantRow } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';
import { openTestServices } from '../support/test-services.ts';

const RELEASE = 'meter@2.0.0';
const BEFORE = 'meter@1.0.0';
const PROFILES = ['rpi4', 'rpi5', 'rpi5-hailo8l', 'jetson-orin-nano'];
const VARIANT = variantRow('meter', '2.0.0', PROFILES, 1);
/** More than two portions, so that one begins, one goes on and one ends. */
const DEVICES = 5_000;
const CANARY = DEVICES / 10;

let t: TestDatabase;
let here: Services;
/** As a second process has them. */
let there: Services;

beforeAll(async () => {
  t = await TestDatabase.start();
  here = await openTestServices(t);
  there = await openTestServices(t);
});
afterAll(async () => {
  await here?.database.stop();
  await there?.database.stop();
  await t?.stop();
});

beforeEach(async () => {
  await t.clear();
  await insertRelease(t, BEFORE, 1, [VARIANT]);
  await insertRelease(t, RELEASE, 2, [VARIANT]);
  await insertFleet(t, DEVICES, { running: [BEFORE] });
  await t.query(
    `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
    [BEFORE],
  );
});

/** Without gates: devices of no profile are refused at once, and nobody here is to be stopped by them. */
const create = async (waves: readonly object[], target = 'all', more: object = {}): Promise<string> =>
  (await here.rollouts.create({ release: RELEASE, target, strategy: { waves }, gates: [], ...more }, 'ana')).id;

const ALL_AT_ONCE = [{ size: '100%', soak: '1h' }];

const pending = async (): Promise<string[]> =>
  (await t.query<{ kind: string }>(`select decision ->> 'kind' as kind from pending_decision order by id`)).map(
    ({ kind }) => kind,
  );

const count = async (condition: string): Promise<number> =>
  (await t.query<{ n: number }>(`select count(*)::integer as n from execution e where ${condition}`))[0]?.n ?? -1;

const stateOf = async (id: string): Promise<string> => (await here.rollouts.show(id)).state;

/** Steps until there is nothing more to do at once. @returns how many steps had something */
const settle = async (id: string, services = here): Promise<number> => {
  let steps = 0;
  while (await services.steps.step(id)) steps += 1;
  return steps;
};

/** Steps until the first wave is begun, and has taken its first portion. */
const begin = async (id: string): Promise<void> => {
  await here.steps.step(id);
  await here.steps.step(id);
};

const expectTrueCounters = async (): Promise<void> => {
  const counted = await t.query(
    'select wave_index, state, n, diverged from execution_count order by wave_index, state collate "C"',
  );
  const real = await t.query(
    `select wave_index, state, count(*)::integer as n, count(*) filter (where diverged)::integer as diverged
     from execution group by 1, 2 order by wave_index, state collate "C"`,
  );
  expect(counted).toEqual(real);
};

describe('a wave of thousands', () => {
  it('begins in portions, and takes the next of each profile in the order of the rollout', async () => {
    const id = await create([{ size: '60%', soak: '1h' }, { size: '100%' }]);
    await begin(id);
    expect(await pending()).toEqual(['start-wave']);
    const planned = 0.6 * DEVICES;
    const taken = await count('true');
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(planned);
    expect((await here.rollouts.show(id)).waves[0]).toMatchObject({ state: 'RUNNING', size: planned });

    while ((await pending()).length > 0) await there.steps.step(id);
    expect(await count('true')).toBe(planned);
    await expectTrueCounters();

    const [rollout] = await t.query<{ offset: number; strata: Record<string, number> }>(
      'select bucket_offset as offset, strata from rollout join wave on rollout_id = id and index = 0',
    );
    const devices = await t.query<{ id: string; bucket: number; profile: string | null; taken: boolean }>(
      `select d.id, d.bucket, d.profile, e.id is not null as taken from device d left join execution e on e.device_id = d.id`,
    );
    for (const profile of [...PROFILES, null]) {
      const turn = (device: { bucket: number }) => rotateBucket(device.bucket, rollout?.offset ?? 0) / BUCKETS;
      const line = devices.filter((device) => device.profile === profile).sort((a, b) => turn(a) - turn(b));
      const wanted = rollout?.strata[profile ?? ''] ?? 0;
      expect(wanted).toBeGreaterThan(0);
      expect(line.map((device) => device.taken)).toEqual(line.map((_, index) => index < wanted));
    }
  });

  it('is followed by one that goes on where it has stopped, until every device had its turn once', async () => {
    const id = await create([{ size: '10%', soak: '0s' }, { size: '100%' }]);
    await settle(id);
    expect(await count('true')).toBe(CANARY);
    await t.query(`update execution set state = 'SUCCEEDED', ended_at = now()`);
    await settle(id);
    expect(await count('true')).toBe(DEVICES);
    const [seen] = await t.query<{ devices: number }>(
      'select count(distinct device_id)::integer as devices from execution',
    );
    expect(seen?.devices).toBe(DEVICES);
    expect((await here.rollouts.show(id)).waves.map(({ size }) => size)).toEqual([CANARY, DEVICES - CANARY]);
  });

  it('takes the next ones for those who left since, and comes out smaller when there are no more', async () => {
    const id = await create([{ size: '10%', soak: '0s' }, { size: '100%' }], 'ring = canary');
    await t.query(`update device set labels = '{}' where id in (
      select id from device where labels @> '{"ring":"canary"}' order by id limit 100)`);
    await settle(id);
    expect(await count('wave_index = 0')).toBe(CANARY / 10);
    await t.query(`update execution set state = 'SUCCEEDED', ended_at = now()`);
    await settle(id);
    expect((await here.rollouts.show(id)).waves.map(({ size }) => size)).toEqual([50, 350]);
    expect(await count('true')).toBe(400);
  });

  it('is stopped in the middle of its beginning', async () => {
    const id = await create(ALL_AT_ONCE);
    await begin(id);
    await here.rollouts.act(id, 'abort', 'ana');
    await settle(id);
    const taken = await count('true');
    expect(taken).toBeLessThan(DEVICES);
    expect(await count(`state = 'CANCELED'`)).toBe(taken);
    expect((await here.rollouts.show(id)).waves[0]).toMatchObject({ size: taken, counts: { CANCELED: taken } });
    expect(await stateOf(id)).toBe('STOPPED');
  });
});

describe('what is decided about all devices', () => {
  it('is canceled in portions, and devices keep what they had', async () => {
    const id = await create(ALL_AT_ONCE);
    await settle(id);
    const assigned = await count(`state = 'NOTIFIED'`);
    expect(assigned).toBe(DEVICES * 0.99);
    await here.rollouts.act(id, 'abort', 'ana');
    expect(await pending()).toEqual(['cancel']);
    expect(await count('ended_at is null')).toBeGreaterThan(0);
    await settle(id, there);
    expect(await stateOf(id)).toBe('STOPPED');
    expect(await count(`state = 'CANCELED'`)).toBe(assigned);
    expect(await t.query('select 1 from assignment where release <> $1 limit 1', [BEFORE])).toEqual([]);
    await expectTrueCounters();
  });

  it('is undone in portions, but for devices about which somebody else has decided since', async () => {
    const id = await create(ALL_AT_ONCE);
    await settle(id);
    await t.query(`update execution set state = 'SUCCEEDED', ended_at = now() where state = 'NOTIFIED'`);
    await t.query(`update assignment set rollout_id = gen_random_uuid() where device_id in (
      select device_id from execution where state = 'SUCCEEDED' limit 10)`);
    await here.rollouts.act(id, 'undo', 'ana');
    expect(await pending()).not.toEqual([]);
    await settle(id);
    expect(await count(`kind = 'rollback'`)).toBe(DEVICES * 0.99 - 10);
    await t.query(`update execution set state = 'SUCCEEDED', ended_at = now() where kind = 'rollback'`);
    await settle(id);
    expect(await stateOf(id)).toBe('ROLLED_BACK');
    expect((await here.rollouts.show(id)).rollback).toEqual({ counts: { SUCCEEDED: DEVICES * 0.99 - 10 } });
    await expectTrueCounters();
  });

  it('waits for nobody: an execution that a report has in its hands is canceled after it', async () => {
    const id = await create(ALL_AT_ONCE, 'ring = canary');
    await settle(id);
    await t.database.transaction(async (sql) => {
      const [held] = await sql.query<{ id: string }>(
        `select id from execution where state = 'NOTIFIED' limit 1 for update`,
      );
      await here.rollouts.act(id, 'abort', 'ana');
      expect(await t.query<{ id: string }>('select id from execution where ended_at is null')).toEqual([held]);
      expect(await pending()).toEqual(['cancel']);
    });
    await settle(id);
    expect(await count('ended_at is null')).toBe(0);
    expect(await stateOf(id)).toBe('STOPPED');
  });
});

describe('two conductors', () => {
  it('share the work, and do nothing twice', async () => {
    const id = await create(ALL_AT_ONCE);
    const work = async (services: Services): Promise<void> => {
      // Passed over is not done: as a conductor does, it looks again.
      for (let idle = 0; idle < 3; ) {
        if (await services.steps.step(id)) idle = 0;
        else {
          idle += 1;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    };
    await Promise.all([work(here), work(there)]);
    expect(await count(`state = 'NOTIFIED'`)).toBe(DEVICES * 0.99);
    expect(await count(`state = 'REJECTED'`)).toBe(DEVICES * 0.01);
    expect(await count('true')).toBe(DEVICES);
    const [rung] = await t.query<{ devices: number; bells: number }>(
      `select count(distinct device_id)::integer as devices, count(*)::integer as bells from outbox where channel = 'doorbell'`,
    );
    expect(rung).toEqual({ devices: DEVICES * 0.99, bells: DEVICES * 0.99 });
    const [told] = await t.query<{ n: number }>(
      `select count(*)::integer as n from rollout_history where message = 'wave 1 started'`,
    );
    expect(told?.n).toBe(1);
  });

  it('do not wait for each other', async () => {
    const id = await create(ALL_AT_ONCE, 'site = site-7');
    await there.database.transaction(async (sql) => {
      await loadSnapshot(sql, id, { whenLocked: 'wait', measure: true });
      expect(await here.steps.step(id)).toBe(false);
      expect(await stateOf(id)).toBe('READY');
    });
    expect(await here.steps.step(id)).toBe(true);
  });

  it('end silent devices, each its own, and pass over one that speaks at this moment', async () => {
    await settle(await create(ALL_AT_ONCE, 'ring = canary'));
    await t.query(`update execution set deadline_at = now() - interval '1 minute'`);
    await t.database.transaction(async (sql) => {
      const held = await sql.query(`select id from execution where state = 'NOTIFIED' limit 1 for update`);
      const ended = (services: Services) => services.database.transaction((own) => services.executions.expire(own));
      await Promise.all([ended(here), ended(there)]);
      expect(await t.query(`select id from execution where ended_at is null`)).toEqual(held);
    });
    expect(await here.database.transaction((sql) => here.executions.expire(sql))).toBe(false);
    expect(await count('ended_at is null')).toBe(0);
  });
});

describe('counters', () => {
  it('say what executions are in, however they came there, and the same after they are folded', async () => {
    const id = await create(ALL_AT_ONCE, 'ring = canary');
    await settle(id);
    await t.query(`update execution set state = (array['DOWNLOADING', 'PROBATION', 'SUCCEEDED'])[1 + length(id::text) % 3]
      where state = 'NOTIFIED'`);
    await t.query(`update execution set state = 'SUCCEEDED', ended_at = now(), diverged = device_id < 'd-0001000'`);
    for (const [device, state] of [
      ['d-0001000', 'FAILED'],
      ['d-0001010', 'TIMED_OUT'],
    ])
      await t.query('update execution set state = $2 where device_id = $1', [device, state]);
    await expectTrueCounters();
    const before = await t.query('select * from execution_move');
    await here.database.transaction((sql) => foldMoves(sql, id));
    expect((await t.query('select * from execution_move')).length).toBeLessThan(before.length);
    await expectTrueCounters();
  });

  it('keep no report waiting for a conductor, nor for another report', async () => {
    const id = await create(ALL_AT_ONCE, 'ring = canary');
    await settle(id);
    const devices = await t.query<{ id: string; deviceId: string }>(
      `select id, device_id as "deviceId" from execution where state = 'NOTIFIED' order by id limit 2`,
    );
    const report = (services: Services, index: number) =>
      services.database.transaction(async (sql) => {
        await sql.query(`set local lock_timeout = '2s'`);
        const { id: executionId = '', deviceId = '' } = devices[index] ?? {};
        await services.executions.report(sql, deviceId, {
          type: 'execution',
          at: 0,
          executionId,
          state: 'DOWNLOADING',
        });
      });
    await t.database.transaction(async (conductor) => {
      const rollout = await loadSnapshot(conductor, id, { whenLocked: 'wait', measure: true });
      expect(rollout?.snapshot.open).toEqual({ install: CANARY, rollback: 0 });
      await conductor.query(`update execution set updated_at = now(), state = 'INSTALLING' where id <> all ($1)`, [
        devices.map((device) => device.id),
      ]);
      await t.database.transaction(async (other) => {
        await other.query(`update execution set state = 'DOWNLOADING' where id = $1`, [devices[0]?.id]);
        await report(there, 1);
      });
    });
    expect((await here.rollouts.show(id)).waves[0]?.counts).toEqual({ DOWNLOADING: 2, INSTALLING: CANARY - 2 });
  });
});

describe('measurements of a wave', () => {
  it('that take long to read are let rest; devices are assigned meanwhile, and commands taken', async () => {
    const id = await create(ALL_AT_ONCE, 'site = site-7', { gates: [{ latencyP95: { maxMs: 80 } }] });
    await settle(id);
    const gates = async () => (await here.rollouts.show(id)).waves[0]?.gates.map(({ verdict }) => verdict);
    expect(await gates()).toEqual(['not-enough']);
    const holdMeasurements = (work: () => Promise<unknown>): Promise<unknown> =>
      t.database.transaction(async (sql) => {
        await sql.query('lock table field_metrics in access exclusive mode');
        return work();
      });
    let slow: Promise<boolean> | undefined;
    await holdMeasurements(async () => {
      slow = here.steps.step(id);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    });
    await slow;
    await t.query(`update execution set state = 'QUEUED', variant = null where state = 'NOTIFIED'`);
    // Whoever reads them now would wait for this very transaction.
    await holdMeasurements(async () => {
      expect(await here.steps.step(id)).toBe(true);
      await here.rollouts.act(id, 'pause', 'ana');
    });
    expect(await count(`state = 'NOTIFIED'`)).toBe(DEVICES / 1_000);
    await t.query(
      `insert into field_metrics (device_id, release, since, updated_at, frames, dropped, errors, low_confidence, labelled, correct, latency_p95_ms)
       select id, $1, now(), now(), 10, 0, 0, 0, 0, 0, 200 from device`,
      [RELEASE],
    );
    await t.query(`update execution set state = 'PROBATION'`);
    // Another process has not read them lately.
    await there.steps.step(id);
    expect(await gates()).toEqual(['fail']);
  });
});

describe('the rollback floor', () => {
  it('refuses a rollout that could not go back, and lets one pass that nobody below is among', async () => {
    await t.query(`update release set statement = jsonb_set(statement, '{rollbackFloor}', '2') where name = $1`, [
      RELEASE,
    ]);
    await t.query(
      `update assignment set release = $1 where device_id in (select id from device where labels @> '{"ring":"canary"}')`,
      [RELEASE],
    );
    await expect(create(ALL_AT_ONCE)).rejects.toMatchObject({ code: 'rollback-forbidden' });
    await expect(create(ALL_AT_ONCE)).rejects.toThrow(BEFORE);
    await create(ALL_AT_ONCE, 'ring = canary');
    await create(ALL_AT_ONCE, 'site = site-10', { onFailure: 'pause' });
  });
});
