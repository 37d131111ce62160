import { describe, expect, it } from 'vitest';
import { BEFORE, rolloutRig } from '../support/rollout-rig.ts';
import { insertDevice } from '../support/rows.ts';

const NEXT = 'meter@3.0.0';

const rig = rolloutRig();
const { addFleet, create, executionsOf, settle, show, succeed } = rig;

describe('newcomers', () => {
  const addOne = (id: string) => insertDevice(rig.t, id, { board: 'rpi4', running: BEFORE });

  it('join with the last wave, from wherever they came', async () => {
    await addFleet(3);
    await insertDevice(rig.t, 'd-moved');
    const waves = [
      { size: 1, soak: 0 },
      { size: '100%', soak: '1h' },
    ];
    const id = await create({ waves }, { target: 'name != "name of d-moved"' });
    await settle(id);
    expect(await executionsOf(id)).toHaveLength(1);
    await addOne('d-joined');
    await rig.t.query(`update device set name = 'now it fits' where id = 'd-moved'`);
    await settle(id);
    expect(await executionsOf(id)).toHaveLength(1);
    await succeed(id);
    await settle(id);
    expect((await executionsOf(id)).map(({ deviceId }) => deviceId)).toEqual([
      'd-00',
      'd-01',
      'd-02',
      'd-joined',
      'd-moved',
    ]);
    await addOne('d-late');
    // This process has not looked lately.
    await settle(id, rig.others);
    expect((await show(id)).waves.map(({ size }) => size)).toEqual([1, 5]);
  });

  it('are left out, and whoever fitted stays in it', async () => {
    await addFleet(3);
    await rig.t.query(`update device set labels = '{"site": "lyon"}'`);
    const waves = [
      { size: 1, soak: 0 },
      { size: '100%', soak: 0 },
    ];
    const id = await create({ waves }, { target: 'site = lyon', newcomers: 'ignore' });
    await settle(id);
    await addOne('d-joined');
    await rig.t.query(`update device set labels = '{"site": "lyon"}' where id = 'd-joined'`);
    await rig.t.query(`update device set labels = '{}' where id <> 'd-joined'`);
    await succeed(id);
    await settle(id);
    expect((await executionsOf(id)).map(({ deviceId }) => deviceId)).toEqual(['d-00', 'd-01', 'd-02']);
    await succeed(id);
    await settle(id, rig.others);
    expect((await show(id)).state).toBe('FINISHED');
  });

  it('are taken without end, at the rate, until another such rollout does', async () => {
    await addFleet(1);
    const waves = [{ size: '100%', soak: 0 }];
    const id = await create({ waves, rate: { perMinute: 6 } }, { newcomers: 'continue' });
    await settle(id);
    await succeed(id);
    await settle(id);
    expect(await show(id)).toMatchObject({ state: 'RUNNING', waves: [{ state: 'PASSED', size: 1 }] });
    await addOne('d-new-1');
    await addOne('d-new-2');
    await rig.t.query(`update rollout set rate_at = rate_at - interval '1 minute'`);
    await settle(id, rig.others);
    expect((await executionsOf(id)).map(({ state }) => state).sort()).toEqual(['NOTIFIED', 'QUEUED', 'SUCCEEDED']);
    await expect(rig.services.rollouts.act(id, 'promote', 'ana')).rejects.toMatchObject({
      code: 'rollout-command-refused',
    });

    await rig.addRelease(NEXT, 3);
    const next = await create({ waves }, { release: NEXT, newcomers: 'continue' });
    await settle(next);
    await succeed(next);
    await settle(next);
    await settle(id);
    expect(await show(id)).toMatchObject({
      state: 'FINISHED',
      reason: `rollout ${next} of ${NEXT} goes on with newcomers in its place`,
    });
    expect((await show(next)).state).toBe('RUNNING');
  });
});
