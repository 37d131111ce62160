import type { ExecutionState } from '@aviary/rollout';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mayTakeDevices } from '../../apps/control-plane/src/features/rollouts/rivals.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertDevice, insertFleet, insertRelease, variantRow } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';
import { openTestServices } from '../support/test-services.ts';

const BEFORE = 'meter@1.0.0';
const OLD = 'meter@2.0.0';
const NEW = 'meter@3.0.0';
const PROFILES = ['rpi4', 'rpi5', 'rpi5-hailo8l', 'jetson-orin-nano'];
const DIGESTS: Readonly<Record<string, string>> = { [BEFORE]: '1', [OLD]: '2', [NEW]: '3' };
const digestOf = (release: string): string => (DIGESTS[release] ?? '').repeat(64);

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
  for (const [index, release] of [BEFORE, OLD, NEW].entries()) {
    const [, version = ''] = release.split('@');
    const variant = { ...variantRow('meter', version, PROFILES, 1), plaintextSha256: digestOf(release) };
    await insertRelease(t, release, index + 1, [variant]);
    await t.query(
      `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
       values ($1, 'onnx-fp32', $2, $3, 1, $3, '')`,
      [release, JSON.stringify(variant), digestOf(release)],
    );
  }
});

const addFleet = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await insertDevice(t, `d-${n}`, { running: BEFORE });
  await t.query(
    `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
    [BEFORE],
  );
};

const ALL = { waves: [{ size: '100%', soak: '1h' }] };
const create = async (release: string, asked: object = {}): Promise<string> =>
  (await here.rollouts.create({ release, strategy: ALL, gates: [], ...asked }, 'ana')).id;

/** Steps until there is nothing more to do at once. */
const settle = async (id: string, services = here): Promise<void> => {
  for (let step = 0; await services.steps.step(id); step += 1) {
    if (step > 100) throw new Error('expected to come to rest');
  }
};

interface Row {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: string;
  readonly state: ExecutionState;
  readonly code: string | null;
  readonly reason: string | null;
  readonly from: string | null;
}
const executionsOf = (id: string): Promise<Row[]> =>
  t.query<Row>(
    `select id, device_id as "deviceId", kind, state, reason_code as code, reason, from_release as "from" from execution
     where rollout_id = $1 order by device_id, kind`,
    [id],
  );
const statesOf = async (id: string) =>
  (await executionsOf(id)).map(({ deviceId, kind, state }) => `${deviceId} ${kind} ${state}`);
const assigned = () =>
  t.query<{ device: string; release: string; rollout: string | null }>(
    'select device_id as device, release, rollout_id as rollout from assignment order by device_id',
  );

/** Devices say that they run what they were told. */
const succeed = async (id: string, release: string, devices?: readonly string[]): Promise<void> => {
  for (const { id: executionId, deviceId, state } of await executionsOf(id)) {
    if (state !== 'NOTIFIED' || devices?.includes(deviceId) === false) continue;
    const digest = digestOf(release);
    await t.database.transaction(async (sql) => {
      await here.executions.report(sql, deviceId, {
        type: 'execution',
        at: 0,
        executionId,
        state: 'SUCCEEDED',
        digest,
      });
      await here.devices.recordRunning(sql, deviceId, { type: 'running', at: 0, release, digest });
      await here.executions.noticeRunning(sql, deviceId, release);
    });
  }
};

describe('a rollout that outranks another', () => {
  it('takes the devices that the other has open, and leaves it those that it takes not', async () => {
    await addFleet(3);
    const old = await create(OLD);
    await settle(old);
    await succeed(old, OLD, ['d-0']);
    const hotfix = await create(NEW, { target: 'id in (d-0, d-1)', priority: 900 });
    await settle(hotfix);
    expect(await statesOf(old)).toEqual(['d-0 install SUCCEEDED', 'd-1 install CANCELED', 'd-2 install NOTIFIED']);
    expect((await executionsOf(old))[1]).toMatchObject({
      code: 'superseded',
      reason: `rollout ${hotfix} of ${NEW} outranks this one and takes the device`,
    });
    // What each would go back to: what it had before the rollout that had not brought its release yet.
    expect((await executionsOf(hotfix)).map(({ state, from }) => [state, from])).toEqual([
      ['NOTIFIED', OLD],
      ['NOTIFIED', BEFORE],
    ]);
    expect(await assigned()).toMatchObject([
      { release: NEW, rollout: hotfix },
      { release: NEW, rollout: hotfix },
      { release: OLD, rollout: old },
    ]);
    // Whoever it moved on counts for the other as what it was: a success.
    await succeed(hotfix, NEW);
    expect((await here.rollouts.show(old)).waves[0]?.counts).toEqual({ SUCCEEDED: 1, CANCELED: 1, NOTIFIED: 1 });
    expect(await t.query('select 1 from execution where diverged')).toEqual([]);
  });

  it('keeps its devices from one that is newer, until it has ended', async () => {
    await addFleet(4);
    const important = await create(OLD, { target: 'id in (d-0, d-1)', priority: 501 });
    await settle(important);
    await succeed(important, OLD, ['d-0']);
    const [first, second] = [{ size: 2, soak: 0 }, { size: '100%' }];
    const late = await create(NEW, { strategy: { waves: [first, second] } });
    await settle(late);
    // It finds two others for its first wave, whoever comes first.
    const taken = (await executionsOf(late))
      .filter(({ state }) => state === 'NOTIFIED')
      .map(({ deviceId }) => deviceId);
    expect(taken).toEqual(['d-2', 'd-3']);
    await succeed(late, NEW);
    await settle(late);
    for (const { code, reason, deviceId } of await executionsOf(late)) {
      if (taken.includes(deviceId)) continue;
      expect([code, reason]).toEqual(['superseded', `left to rollout ${important} of ${OLD}, which outranks this one`]);
    }
    await here.rollouts.act(important, 'abort', 'ana');
    await settle(important);
    const next = await create(NEW, { target: 'id in (d-0, d-1)', priority: 1 });
    await settle(next);
    expect(await statesOf(next)).toEqual(['d-0 install NOTIFIED', 'd-1 install NOTIFIED']);
  });

  it('is told of before and when the other is created; the same again is refused', async () => {
    await addFleet(3);
    const old = await create(OLD, { target: 'id in (d-0, d-1)', priority: 600 });
    const asked = { release: NEW, strategy: ALL, gates: [] };
    const overlap = { rolloutId: old, release: OLD, devices: 2, priority: 600, outranked: false };
    expect((await here.rollouts.preview(asked)).overlaps).toMatchObject([overlap]);
    expect((await here.rollouts.preview({ ...asked, priority: 600 })).overlaps).toMatchObject([
      { ...overlap, outranked: true },
    ]);
    expect((await here.rollouts.preview({ ...asked, target: 'id = d-2' })).overlaps).toEqual([]);
    const created = await here.rollouts.create(asked, 'ana');
    expect(created.overlaps).toMatchObject([overlap]);
    expect((await here.rollouts.show(old)).history.at(-1)?.message).toBe(
      `shares 2 devices with rollout ${created.id} of ${NEW}, which this one outranks`,
    );
    await expect(here.rollouts.create(asked, 'ana')).rejects.toMatchObject({ code: 'rollout-overlaps', status: 409 });
  });

  it('does not keep a device on a release that is undone, whether it has it already or only waits for it', async () => {
    await addFleet(2);
    const old = await create(OLD);
    await settle(old);
    await succeed(old, OLD);
    await here.rollouts.act(old, 'pause', 'ana');
    // It waits for its window, and has the device meanwhile.
    const hour = (new Date().getUTCHours() + 12) % 24;
    const window = { cron: `0 ${hour} * * *`, duration: '1h', zone: 'UTC' };
    const waiting = await create(NEW, { target: 'id = d-0', strategy: { ...ALL, window } });
    await settle(waiting);
    expect((await executionsOf(waiting))[0]).toMatchObject({ state: 'QUEUED', from: OLD });
    await here.rollouts.act(old, 'undo', 'ana');
    await settle(old);
    expect(await statesOf(old)).toEqual([
      'd-0 install SUCCEEDED',
      'd-0 rollback CANCELED',
      'd-1 install SUCCEEDED',
      'd-1 rollback NOTIFIED',
    ]);
    expect((await assigned()).map(({ release }) => release)).toEqual([BEFORE, BEFORE]);
    expect((await executionsOf(waiting))[0]).toMatchObject({ state: 'QUEUED', from: BEFORE });

    // The other way around: the going back is under way when somebody takes the device.
    await t.query(
      `update execution set state = 'QUEUED', variant = null where kind = 'rollback' and device_id = 'd-1'`,
    );
    await t.query(
      `update assignment a set release = $2, execution_id = (select id from execution e
        where e.device_id = 'd-1' and e.kind = 'install') where device_id = $1`,
      ['d-1', OLD],
    );
    const taking = await create(NEW, { target: 'id = d-1', strategy: { ...ALL, window }, priority: 900 });
    await settle(taking);
    expect((await executionsOf(taking))[0]).toMatchObject({ state: 'QUEUED', from: BEFORE });
    expect((await assigned()).map(({ release }) => release)).toEqual([BEFORE, BEFORE]);
    await settle(old);
    expect((await here.rollouts.show(old)).state).toBe('ROLLED_BACK');
  });

  it('gives a device that did not take to it back to the rollout that had it, which can be undone', async () => {
    await addFleet(1);
    const old = await create(OLD);
    await settle(old);
    await succeed(old, OLD);
    const next = await create(NEW);
    await settle(next);
    const [execution] = await executionsOf(next);
    await t.database.transaction((sql) =>
      here.executions.report(sql, 'd-0', {
        type: 'execution',
        at: 0,
        executionId: execution?.id ?? '',
        state: 'ROLLED_BACK',
      }),
    );
    expect(await assigned()).toEqual([{ device: 'd-0', release: OLD, rollout: old }]);
    await here.rollouts.act(old, 'undo', 'ana');
    await settle(old);
    expect(await assigned()).toEqual([{ device: 'd-0', release: BEFORE, rollout: old }]);
  });

  it('passes over a device that a report has in its hands, and takes it later', async () => {
    await addFleet(3);
    const old = await create(OLD);
    await settle(old);
    const next = await create(NEW);
    await t.database.transaction(async (sql) => {
      await sql.query(`select 1 from execution where device_id = 'd-1' for update`);
      await settle(next);
      expect(await statesOf(next)).toEqual(['d-0 install NOTIFIED', 'd-2 install NOTIFIED']);
    });
    // This process has not looked lately.
    await settle(next, there);
    expect(await statesOf(next)).toContain('d-1 install NOTIFIED');
    expect((await executionsOf(old)).map(({ code }) => code)).toEqual(['superseded', 'superseded', 'superseded']);
  });
});

describe('two conductors with two rollouts to the same thousands of devices', () => {
  it('take devices one after the other: whoever is refused waits for nobody, and comes back', async () => {
    await addFleet(2);
    const id = await create(NEW);
    await t.database.transaction(async (other) => {
      expect(await mayTakeDevices(other)).toBe(true);
      await settle(id);
      expect(await executionsOf(id)).toEqual([]);
    });
    await settle(id);
    expect(await statesOf(id)).toEqual(['d-0 install NOTIFIED', 'd-1 install NOTIFIED']);
  });

  it('come to the same end, whoever is first, without a deadlock or a device in both', async () => {
    const DEVICES = 5_000;
    await insertFleet(t, DEVICES, { running: [BEFORE] });
    await t.query(
      `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
      [BEFORE],
    );
    const low = await create(OLD);
    const high = await create(NEW, { target: 'profile in (rpi4, rpi5)', priority: 600 });
    const work = async (services: Services, ids: readonly string[]): Promise<void> => {
      for (let idle = 0; idle < 4; ) {
        let moved = false;
        for (const id of ids) moved = (await services.steps.step(id)) || moved;
        idle = moved ? 0 : idle + 1;
        if (!moved) await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await Promise.all([work(here, [low, high]), work(there, [high, low])]);
    const counted = await t.query<{ rollout: string; state: string; n: number }>(
      `select rollout_id as rollout, state, count(*)::integer as n from execution group by 1, 2`,
    );
    const of = (rollout: string, state: string) =>
      counted.find((row) => row.rollout === rollout && row.state === state)?.n ?? 0;
    const [both] = await t.query<{ n: number }>(
      `select count(*)::integer as n from device where profile in ('rpi4', 'rpi5')`,
    );
    expect([of(high, 'NOTIFIED'), of(low, 'CANCELED')]).toEqual([both?.n, both?.n]);
    expect(of(low, 'NOTIFIED') + of(low, 'REJECTED')).toBe(DEVICES - (both?.n ?? 0));
    const [wrong] = await t.query<{ n: number }>(
      `select count(*)::integer as n from assignment a join device d on d.id = a.device_id
       where a.release is distinct from case when d.profile in ('rpi4', 'rpi5') then $1 when d.profile is null then $2 else $3 end`,
      [NEW, BEFORE, OLD],
    );
    expect(wrong?.n).toBe(0);
  });
});

describe('newcomers', () => {
  const addOne = (id: string) => insertDevice(t, id, { board: 'rpi4', running: BEFORE });

  it('join with the last wave, from wherever they came', async () => {
    await addFleet(3);
    await insertDevice(t, 'd-moved');
    const id = await create(NEW, {
      target: 'name != "name of d-moved"',
      strategy: {
        waves: [
          { size: 1, soak: 0 },
          { size: '100%', soak: '1h' },
        ],
      },
    });
    await settle(id);
    expect(await executionsOf(id)).toHaveLength(1);
    await addOne('d-joined');
    await t.query(`update device set name = 'now it fits' where id = 'd-moved'`);
    await settle(id);
    expect(await executionsOf(id)).toHaveLength(1);
    await succeed(id, NEW);
    await settle(id);
    expect((await executionsOf(id)).map(({ deviceId }) => deviceId)).toEqual([
      'd-0',
      'd-1',
      'd-2',
      'd-joined',
      'd-moved',
    ]);
    await addOne('d-late');
    // This process has not looked lately.
    await settle(id, there);
    expect((await here.rollouts.show(id)).waves.map(({ size }) => size)).toEqual([1, 5]);
  });

  it('are left out, and whoever fitted stays in it', async () => {
    await addFleet(3);
    await t.query(`update device set labels = '{"site": "lyon"}'`);
    const id = await create(NEW, {
      target: 'site = lyon',
      newcomers: 'ignore',
      strategy: {
        waves: [
          { size: 1, soak: 0 },
          { size: '100%', soak: 0 },
        ],
      },
    });
    await settle(id);
    await addOne('d-joined');
    await t.query(`update device set labels = '{"site": "lyon"}' where id = 'd-joined'`);
    await t.query(`update device set labels = '{}' where id <> 'd-joined'`);
    await succeed(id, NEW);
    await settle(id);
    expect((await executionsOf(id)).map(({ deviceId }) => deviceId)).toEqual(['d-0', 'd-1', 'd-2']);
    await succeed(id, NEW);
    await settle(id, there);
    expect((await here.rollouts.show(id)).state).toBe('FINISHED');
  });

  it('are taken without end, at the rate, until another such rollout does', async () => {
    await addFleet(1);
    const goesOn = { newcomers: 'continue', strategy: { waves: [{ size: '100%', soak: 0 }], rate: { perMinute: 6 } } };
    const id = await create(OLD, goesOn);
    await settle(id);
    await succeed(id, OLD);
    await settle(id);
    expect(await here.rollouts.show(id)).toMatchObject({ state: 'RUNNING', waves: [{ state: 'PASSED', size: 1 }] });
    await addOne('d-new-1');
    await addOne('d-new-2');
    await t.query(`update rollout set rate_at = rate_at - interval '1 minute'`);
    await settle(id, there);
    expect((await executionsOf(id)).map(({ state }) => state).sort()).toEqual(['NOTIFIED', 'QUEUED', 'SUCCEEDED']);
    await expect(here.rollouts.act(id, 'promote', 'ana')).rejects.toMatchObject({ code: 'rollout-command-refused' });

    const next = await create(NEW, { ...goesOn, strategy: { waves: [{ size: '100%', soak: 0 }] } });
    await settle(next);
    await succeed(next, NEW);
    await settle(next);
    await settle(id);
    expect(await here.rollouts.show(id)).toMatchObject({
      state: 'FINISHED',
      reason: `rollout ${next} of ${NEW} goes on with newcomers in its place`,
    });
    expect((await here.rollouts.show(next)).state).toBe('RUNNING');
  });
});

describe('a release that nobody assigned', () => {
  it('is what a device goes back to when the registry has it, byte for byte', async () => {
    for (const id of ['d-known', 'd-forged']) await insertDevice(t, id, { running: BEFORE });
    await insertDevice(t, 'd-there', { running: NEW });
    await t.query(`update device set running_digest = $2 where id = $1`, ['d-known', digestOf(BEFORE)]);
    await t.query(`update device set running_digest = $2 where id = $1`, ['d-there', digestOf(NEW)]);
    const origins = () =>
      Promise.all(['d-forged', 'd-known', 'd-there'].map(async (id) => (await here.devicePages.show(id)).origin));
    expect(await origins()).toEqual(['unknown', 'factory', 'factory']);
    const id = await create(NEW);
    await settle(id);
    expect(await origins()).toEqual(['unknown', 'factory', 'assigned']);
    expect((await executionsOf(id)).map(({ deviceId, state, from }) => [deviceId, state, from])).toEqual([
      ['d-forged', 'NOTIFIED', null],
      ['d-known', 'NOTIFIED', BEFORE],
      ['d-there', 'ALREADY_INSTALLED', NEW],
    ]);
    await succeed(id, NEW);
    await here.rollouts.act(id, 'undo', 'ana');
    await settle(id);
    expect((await executionsOf(id)).filter(({ kind }) => kind === 'rollback')).toMatchObject([
      { deviceId: 'd-known', state: 'NOTIFIED', from: BEFORE },
    ]);
  });
});
