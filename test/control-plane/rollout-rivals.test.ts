import { beforeEach, describe, expect, it } from 'vitest';
import { mayTakeDevices } from '../../apps/control-plane/src/features/rollouts/rivals.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { BEFORE, RELEASE, rolloutRig } from '../support/rollout-rig.ts';
import { insertFleet } from '../support/rows.ts';

const NEXT = 'meter@3.0.0';
const ALL = { waves: [{ size: '100%', soak: '1h' }] };

const rig = rolloutRig();
const { addFleet, addRelease, executionsOf, settle, show, succeed } = rig;
beforeEach(() => addRelease(NEXT, 3));

const create = (release: string, asked: { strategy?: object; target?: string; priority?: number } = {}) =>
  rig.create(ALL, { release, ...asked });

const statesOf = async (id: string) =>
  (await executionsOf(id)).map(({ deviceId, kind, state }) => `${deviceId} ${kind} ${state}`);
const assigned = () =>
  rig.t.query<{ device: string; release: string; rollout: string | null }>(
    'select device_id as device, release, rollout_id as rollout from assignment order by device_id',
  );

describe('a rollout that outranks another', () => {
  it('takes the devices that the other has open, and leaves it those that it takes not', async () => {
    await addFleet(3);
    const old = await create(RELEASE);
    await settle(old);
    await succeed(old, ['d-00']);
    const hotfix = await create(NEXT, { target: 'id in (d-00, d-01)', priority: 900 });
    await settle(hotfix);
    expect(await statesOf(old)).toEqual(['d-00 install SUCCEEDED', 'd-01 install CANCELED', 'd-02 install NOTIFIED']);
    expect((await executionsOf(old))[1]).toMatchObject({
      code: 'superseded',
      reason: `rollout ${hotfix} of ${NEXT} outranks this one and takes the device`,
    });
    // What each would go back to: what it had before the rollout that had not brought its release yet.
    expect((await executionsOf(hotfix)).map(({ state, from }) => [state, from])).toEqual([
      ['NOTIFIED', RELEASE],
      ['NOTIFIED', BEFORE],
    ]);
    expect(await assigned()).toMatchObject([
      { release: NEXT, rollout: hotfix },
      { release: NEXT, rollout: hotfix },
      { release: RELEASE, rollout: old },
    ]);
    // Whoever it moved on counts for the other as what it was: a success.
    await succeed(hotfix);
    expect((await show(old)).waves[0]?.counts).toEqual({ SUCCEEDED: 1, CANCELED: 1, NOTIFIED: 1 });
    expect(await rig.t.query('select 1 from execution where diverged')).toEqual([]);
  });

  it('keeps its devices from one that is newer, until it has ended', async () => {
    await addFleet(4);
    const important = await create(RELEASE, { target: 'id in (d-00, d-01)', priority: 501 });
    await settle(important);
    await succeed(important, ['d-00']);
    const [first, second] = [{ size: 2, soak: 0 }, { size: '100%' }];
    const late = await create(NEXT, { strategy: { waves: [first, second] } });
    await settle(late);
    // It finds two others for its first wave, whoever comes first.
    const taken = (await executionsOf(late))
      .filter(({ state }) => state === 'NOTIFIED')
      .map(({ deviceId }) => deviceId);
    expect(taken).toEqual(['d-02', 'd-03']);
    await succeed(late);
    await settle(late);
    for (const { code, reason, deviceId } of await executionsOf(late)) {
      if (taken.includes(deviceId)) continue;
      expect([code, reason]).toEqual([
        'superseded',
        `left to rollout ${important} of ${RELEASE}, which outranks this one`,
      ]);
    }
    await rig.services.rollouts.act(important, 'abort', 'ana');
    await settle(important);
    const next = await create(NEXT, { target: 'id in (d-00, d-01)', priority: 1 });
    await settle(next);
    expect(await statesOf(next)).toEqual(['d-00 install NOTIFIED', 'd-01 install NOTIFIED']);
  });

  it('is told of before and when the other is created; the same again is refused', async () => {
    await addFleet(3);
    const old = await create(RELEASE, { target: 'id in (d-00, d-01)', priority: 600 });
    const asked = { release: NEXT, strategy: ALL, gates: [] };
    const overlap = { rolloutId: old, release: RELEASE, devices: 2, priority: 600, outranked: false };
    expect((await rig.services.rollouts.preview(asked)).overlaps).toMatchObject([overlap]);
    expect((await rig.services.rollouts.preview({ ...asked, priority: 600 })).overlaps).toMatchObject([
      { ...overlap, outranked: true },
    ]);
    expect((await rig.services.rollouts.preview({ ...asked, target: 'id = d-02' })).overlaps).toEqual([]);
    const created = await rig.services.rollouts.create(asked, 'ana');
    expect(created.overlaps).toMatchObject([overlap]);
    expect((await show(old)).history.at(-1)?.message).toBe(
      `shares 2 devices with rollout ${created.id} of ${NEXT}, which this one outranks`,
    );
    await expect(rig.services.rollouts.create(asked, 'ana')).rejects.toMatchObject({
      code: 'rollout-overlaps',
      status: 409,
    });
  });

  it('does not keep a device on a release that is undone, whether it has it already or only waits for it', async () => {
    await addFleet(2);
    const old = await create(RELEASE);
    await settle(old);
    await succeed(old);
    await rig.services.rollouts.act(old, 'pause', 'ana');
    // It waits for its window, and has the device meanwhile.
    const hour = (new Date().getUTCHours() + 12) % 24;
    const window = { cron: `0 ${hour} * * *`, duration: '1h', zone: 'UTC' };
    const waiting = await create(NEXT, { target: 'id = d-00', strategy: { ...ALL, window } });
    await settle(waiting);
    expect((await executionsOf(waiting))[0]).toMatchObject({ state: 'QUEUED', from: RELEASE });
    await rig.services.rollouts.act(old, 'undo', 'ana');
    await settle(old);
    expect(await statesOf(old)).toEqual([
      'd-00 install SUCCEEDED',
      'd-00 rollback CANCELED',
      'd-01 install SUCCEEDED',
      'd-01 rollback NOTIFIED',
    ]);
    expect((await assigned()).map(({ release }) => release)).toEqual([BEFORE, BEFORE]);
    expect((await executionsOf(waiting))[0]).toMatchObject({ state: 'QUEUED', from: BEFORE });

    // The other way around: the going back is under way when somebody takes the device.
    await rig.t.query(
      `update execution set state = 'QUEUED', variant = null where kind = 'rollback' and device_id = 'd-01'`,
    );
    await rig.t.query(
      `update assignment a set release = $2, execution_id = (select id from execution e
        where e.device_id = 'd-01' and e.kind = 'install') where device_id = $1`,
      ['d-01', RELEASE],
    );
    const taking = await create(NEXT, { target: 'id = d-01', strategy: { ...ALL, window }, priority: 900 });
    await settle(taking);
    expect((await executionsOf(taking))[0]).toMatchObject({ state: 'QUEUED', from: BEFORE });
    expect((await assigned()).map(({ release }) => release)).toEqual([BEFORE, BEFORE]);
    await settle(old);
    expect((await show(old)).state).toBe('ROLLED_BACK');
  });

  it('gives a device that did not take to it back to the rollout that had it, which can be undone', async () => {
    await addFleet(1);
    const old = await create(RELEASE);
    await settle(old);
    await succeed(old);
    const next = await create(NEXT);
    await settle(next);
    const [execution] = await executionsOf(next);
    await rig.t.database.transaction((sql) =>
      rig.services.executions.report(sql, 'd-00', {
        type: 'execution',
        at: 0,
        executionId: execution?.id ?? '',
        state: 'ROLLED_BACK',
      }),
    );
    expect(await assigned()).toEqual([{ device: 'd-00', release: RELEASE, rollout: old }]);
    await rig.services.rollouts.act(old, 'undo', 'ana');
    await settle(old);
    expect(await assigned()).toEqual([{ device: 'd-00', release: BEFORE, rollout: old }]);
  });

  it('passes over a device that a report has in its hands, and takes it later', async () => {
    await addFleet(3);
    const old = await create(RELEASE);
    await settle(old);
    const next = await create(NEXT);
    await rig.t.database.transaction(async (sql) => {
      await sql.query(`select 1 from execution where device_id = 'd-01' for update`);
      await settle(next);
      expect(await statesOf(next)).toEqual(['d-00 install NOTIFIED', 'd-02 install NOTIFIED']);
    });
    // This process has not looked lately.
    await settle(next, rig.others);
    expect(await statesOf(next)).toContain('d-01 install NOTIFIED');
    expect((await executionsOf(old)).map(({ code }) => code)).toEqual(['superseded', 'superseded', 'superseded']);
  });
});

describe('two conductors with two rollouts to the same thousands of devices', () => {
  it('take devices one after the other: whoever is refused waits for nobody, and comes back', async () => {
    await addFleet(2);
    const id = await create(NEXT);
    await rig.t.database.transaction(async (other) => {
      expect(await mayTakeDevices(other)).toBe(true);
      await settle(id);
      expect(await executionsOf(id)).toEqual([]);
    });
    await settle(id);
    expect(await statesOf(id)).toEqual(['d-00 install NOTIFIED', 'd-01 install NOTIFIED']);
  });

  it('come to the same end, whoever is first, without a deadlock or a device in both', async () => {
    const DEVICES = 5_000;
    await insertFleet(rig.t, DEVICES, { running: [BEFORE] });
    await rig.t.query(
      `insert into assignment (device_id, sequence, release, variant) select id, 1, $1, 'onnx-fp32' from device`,
      [BEFORE],
    );
    const low = await create(RELEASE);
    const high = await create(NEXT, { target: 'profile in (rpi4, rpi5)', priority: 600 });
    const work = async (services: Services, ids: readonly string[]): Promise<void> => {
      for (let idle = 0; idle < 4; ) {
        let moved = false;
        for (const id of ids) moved = (await services.steps.step(id)) || moved;
        idle = moved ? 0 : idle + 1;
        if (!moved) await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await Promise.all([work(rig.services, [low, high]), work(rig.others, [high, low])]);
    const counted = await rig.t.query<{ rollout: string; state: string; n: number }>(
      `select rollout_id as rollout, state, count(*)::integer as n from execution group by 1, 2`,
    );
    const of = (rollout: string, state: string) =>
      counted.find((row) => row.rollout === rollout && row.state === state)?.n ?? 0;
    const [both] = await rig.t.query<{ n: number }>(
      `select count(*)::integer as n from device where profile in ('rpi4', 'rpi5')`,
    );
    expect([of(high, 'NOTIFIED'), of(low, 'CANCELED')]).toEqual([both?.n, both?.n]);
    expect(of(low, 'NOTIFIED') + of(low, 'REJECTED')).toBe(DEVICES - (both?.n ?? 0));
    const [wrong] = await rig.t.query<{ n: number }>(
      `select count(*)::integer as n from assignment a join device d on d.id = a.device_id
       where a.release is distinct from case when d.profile in ('rpi4', 'rpi5') then $1 when d.profile is null then $2 else $3 end`,
      [NEXT, BEFORE, RELEASE],
    );
    expect(wrong?.n).toBe(0);
  });
});
