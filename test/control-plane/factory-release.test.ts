import { describe, expect, it } from 'vitest';
import { BEFORE, digestOf, RELEASE, rolloutRig } from '../support/rollout-rig.ts';
import { insertDevice } from '../support/rows.ts';

const rig = rolloutRig();
const { create, executionsOf, settle, succeed } = rig;

describe('a release that nobody assigned', () => {
  it('is what a device goes back to when the registry has it, byte for byte', async () => {
    for (const id of ['d-known', 'd-forged']) await insertDevice(rig.t, id, { running: BEFORE });
    await insertDevice(rig.t, 'd-there', { running: RELEASE });
    await rig.t.query(`update device set running_digest = $2 where id = $1`, ['d-known', digestOf(BEFORE)]);
    await rig.t.query(`update device set running_digest = $2 where id = $1`, ['d-there', digestOf(RELEASE)]);
    const origins = () =>
      Promise.all(
        ['d-forged', 'd-known', 'd-there'].map(async (id) => (await rig.services.devicePages.show(id)).origin),
      );
    expect(await origins()).toEqual(['unknown', 'factory', 'factory']);
    const id = await create({ waves: [{ size: '100%', soak: '1h' }] });
    await settle(id);
    expect(await origins()).toEqual(['unknown', 'factory', 'assigned']);
    expect((await executionsOf(id)).map(({ deviceId, state, from }) => [deviceId, state, from])).toEqual([
      ['d-forged', 'NOTIFIED', null],
      ['d-known', 'NOTIFIED', BEFORE],
      ['d-there', 'ALREADY_INSTALLED', RELEASE],
    ]);
    await succeed(id);
    await rig.services.rollouts.act(id, 'undo', 'ana');
    await settle(id);
    expect((await executionsOf(id)).filter(({ kind }) => kind === 'rollback')).toMatchObject([
      { deviceId: 'd-known', state: 'NOTIFIED', from: BEFORE },
    ]);
  });
});
