import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiProcess } from '../support/api-process.ts';
import { insertDevice, insertRelease, insertRollout } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';

describe('the overview, with a real database over real HTTP', () => {
  let t: TestDatabase;
  let api: ApiProcess;

  beforeAll(async () => {
    t = await TestDatabase.start();
    api = await ApiProcess.start(t);
  });
  afterAll(async () => {
    await api.stop();
    await t.stop();
  });
  afterEach(() => t.clear());

  const event = (deviceId: string, level: string, code: string, ago: string, message = `${code} ${ago}`) =>
    t.query(
      `insert into device_event (device_id, at, received_at, level, code, message)
       values ($1, now() - interval '40 days', now() - $2::interval, $3, $4, $5)`,
      [deviceId, ago, level, code, message],
    );
  const attention = async () => (await api.client.showOverview({})).attention;

  it('is all zeros, and asks for nothing, where there is nothing yet', async () => {
    expect(await api.client.showOverview({})).toEqual({
      devices: { total: 0, online: 0, offline: 0, unmatched: 0, idle: 0 },
      models: 0,
      releases: 0,
      rollouts: [],
      rounds: 0,
      attention: [],
    });
  });

  it('counts devices, models, releases, and shows the newest rollouts under way', async () => {
    await insertDevice(t, 'd-serves', { running: 'm@1.0.0' });
    await insertDevice(t, 'd-idle');
    await insertDevice(t, 'd-away', { presence: 'offline' });
    await t.query(`update device set profile = null where id = 'd-away'`);
    for (const [index, name] of ['m@1.0.0', 'm@2.0.0', 'other@1.0.0'].entries())
      await insertRelease(t, name, index + 1);
    const ids: string[] = [];
    for (let index = 0; index < 12; index += 1) ids.push(await insertRollout(t, 'm@2.0.0', 'RUNNING'));
    await insertRollout(t, 'm@1.0.0', 'FINISHED', { endedAgo: '1 hour' });
    const overview = await api.client.showOverview({});
    expect(overview).toMatchObject({
      devices: { total: 3, online: 2, offline: 1, unmatched: 1, idle: 1 },
      models: 2,
      releases: 3,
      rounds: 0,
    });
    expect(overview.rollouts.map(({ id }) => id)).toEqual(ids.slice(2).reverse());
    expect(overview.rollouts[0]?.waves).toMatchObject([{ state: 'RUNNING', size: 1, cumulative: 1 }]);
  });

  it('names what needs somebody: the newest trouble of each kind and device, by when it was heard of', async () => {
    await insertDevice(t, 'd-one', { running: 'm@1.0.0' });
    await insertDevice(t, 'd-two', { running: 'm@1.0.0' });
    await event('d-one', 'error', 'worker-crashed', '3 hours');
    await event('d-one', 'error', 'worker-crashed', '1 hour');
    await event('d-one', 'warning', 'disk-full', '2 hours');
    await event('d-two', 'warning', 'disk-full', '4 hours');
    await event('d-two', 'warning', 'disk-full', '25 hours');
    await event('d-two', 'info', 'started', '1 minute');
    expect(await attention()).toMatchObject([
      {
        level: 'error',
        words: 'worker-crashed 1 hour',
        deviceId: 'd-one',
        deviceName: 'name of d-one',
        rolloutId: null,
      },
      { level: 'warning', words: 'disk-full 2 hours', deviceId: 'd-one' },
      { level: 'warning', words: 'disk-full 4 hours', deviceId: 'd-two' },
    ]);
  });

  it('names rollouts that stand, and those of the last day that ended without success', async () => {
    await insertRelease(t, 'm@1.0.0', 1);
    const paused = await insertRollout(t, 'm@1.0.0', 'PAUSED', { reason: 'wave 1 failed' });
    const waits = await insertRollout(t, 'm@1.0.0', 'WAITING_FOR_APPROVAL');
    const back = await insertRollout(t, 'm@1.0.0', 'ROLLED_BACK', { reason: 'too slow', endedAgo: '1 hour' });
    const stopped = await insertRollout(t, 'm@1.0.0', 'STOPPED', { endedAgo: '2 hours' });
    await insertRollout(t, 'm@1.0.0', 'STOPPED', { endedAgo: '25 hours' });
    await insertRollout(t, 'm@1.0.0', 'FINISHED', { endedAgo: '1 hour' });
    await insertRollout(t, 'm@1.0.0', 'RUNNING');
    expect(await attention()).toMatchObject([
      { level: 'warning', words: 'm@1.0.0 to "site=lyon" waits for approval', rolloutId: waits },
      { level: 'warning', words: 'm@1.0.0 to "site=lyon" is paused: wave 1 failed', rolloutId: paused, deviceId: null },
      { level: 'error', words: 'm@1.0.0 to "site=lyon" was rolled back: too slow', rolloutId: back },
      { level: 'warning', words: 'm@1.0.0 to "site=lyon" was stopped', rolloutId: stopped },
    ]);
  });

  it('names a few devices that are online and serve nothing, and counts many', async () => {
    await insertRelease(t, 'm@1.0.0', 1);
    await insertDevice(t, 'd-new');
    await insertDevice(t, 'd-lost');
    await insertDevice(t, 'd-away', { presence: 'offline' });
    await t.query(`insert into assignment (device_id, sequence, release) values ('d-lost', 1, 'm@1.0.0')`);
    const words = new Map((await attention()).map((item) => [item.deviceId, item.words]));
    expect(words).toEqual(
      new Map([
        ['d-new', 'is online and serves nothing: no rollout has reached it yet'],
        ['d-lost', 'is online and serves nothing, though m@1.0.0 is assigned to it'],
      ]),
    );
    for (let index = 0; index < 4; index += 1) await insertDevice(t, `d-${index}`);
    expect(await attention()).toMatchObject([{ words: '6 devices are online and serve nothing', deviceId: null }]);
  });

  it('stays short, whatever a device keeps on saying', async () => {
    await insertDevice(t, 'd-one', { running: 'm@1.0.0' });
    await t.query(
      `insert into device_event (device_id, at, level, code, message)
       select 'd-one', now(), 'warning', 'code-' || n % 80, 'words' from generate_series(1, 5000) as n`,
    );
    expect(await attention()).toHaveLength(50);
  });
});
