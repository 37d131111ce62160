import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertDevice, insertRelease, variantRow } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';
import { openTestServices } from '../support/test-services.ts';

const RELEASE = 'meter@2.0.0';
const LENGTH = 1_000;
const VARIANT = variantRow('meter', '2.0.0', ['rpi5'], LENGTH);

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
  await insertRelease(t, 'meter@1.0.0', 1);
  await insertRelease(t, RELEASE, 2, [VARIANT]);
  for (let n = 0; n < 20; n += 1) await insertDevice(t, `d-${n}`);
  for (let n = 0; n < 3; n += 1) await insertDevice(t, `old-${n}`, { board: 'rpi4' });
  await t.query(`update device set labels = '{"site": "lyon"}' where id in ('d-0', 'd-1', 'old-0')`);
});

const gates = [{ latencyP95: { versus: 'control', margin: '15%' } }];
const strategy = {
  control: 8,
  waves: [
    { size: 3, soak: '1h' },
    { size: 13, soak: '1h' },
    { size: '100%', soak: 0 },
  ],
  probation: { seconds: 60, minFrames: 0 },
};
const preview = (asked: object = {}) => services.rollouts.preview({ release: RELEASE, strategy, gates, ...asked });

describe('a dry run', () => {
  it('says who gets what, where, and who cannot run it', async () => {
    const { devices, bytes, variants, sites, control } = await preview();
    expect({ devices, bytes }).toEqual({ devices: 23, bytes: 20 * LENGTH });
    expect(variants.find(({ profile }) => profile === 'rpi5')).toMatchObject({ variant: 'onnx-fp32', devices: 20 });
    expect(variants.find(({ profile }) => profile === 'rpi4')).toEqual({
      profile: 'rpi4',
      variant: null,
      devices: 3,
      reason: 'the publisher made no variant for rpi4',
    });
    expect(sites).toEqual([
      { site: '', devices: 20, bytes: 18 * LENGTH },
      { site: 'lyon', devices: 3, bytes: 2 * LENGTH },
    ]);
    expect(Object.values(control).reduce((sum, count) => sum + count, 0)).toBe(8);
  });

  it('says what each wave can find, and creates nothing', async () => {
    const { comparisons, forecast } = await preview();
    expect(comparisons.map(({ wave }) => wave)).toEqual([0, 1]);
    const [few, more] = comparisons;
    expect(few?.words).toBe('wave 1 can never tell: 3 pairs, at least 6 are needed');
    expect(more).toMatchObject({ pairs: 8, neededPairs: 5, floor: expect.any(Number), found: expect.any(Number) });
    expect(forecast.waves.map(({ seconds }) => seconds)).toEqual([3_660, 7_320, 7_380]);
    expect(forecast.leavesOut).toContain('a person who promotes wave 1, which can never tell');
    expect(await t.query('select 1 from rollout')).toEqual([]);
  });

  it('counts windows where each device is', async () => {
    await t.query(`update device set facts = facts || '{"timeZone": "Asia/Tokyo"}' where id = 'd-0'`);
    const everywhere = { ...strategy, window: { cron: '0 2 * * *', duration: '3h' } };
    const { seconds } = (await preview({ strategy: { ...everywhere, waves: [{ size: '100%', soak: 0 }] }, gates: [] }))
      .forecast;
    const opens = (hour: number): number => {
      const now = Date.now();
      const today = new Date(now).setUTCHours(hour, 0, 0, 0);
      if (now >= today && now < today + 3 * 3_600_000) return now;
      return today > now ? today : today + 86_400_000;
    };
    // Two in the night is 17:00 UTC in Tokyo.
    const last = (Math.max(opens(2), opens(17)) - Date.now()) / 1000 + 60;
    expect(Math.abs((seconds ?? 0) - last)).toBeLessThan(30);
  });

  it.each<[string, object, string]>([
    ['a target that nobody fits', { target: 'site=nowhere' }, 'target'],
    [
      'a margin without a control group',
      { strategy: { ...strategy, control: undefined } },
      'gates.0.latencyP95.versus',
    ],
    [
      'waves that do not increase',
      { strategy: { waves: [{ size: 2 }, { size: 1 }, { size: '100%' }] } },
      'strategy.waves.1.size',
    ],
    [
      'a cron that never fires',
      { strategy: { window: { cron: '0 0 30 2 *', duration: '1h' } } },
      'strategy.window.cron',
    ],
  ])('refuses %s, and says where', async (_, asked, path) => {
    const { problems } = await preview(asked).then(
      () => ({ problems: [] }),
      (error: { problems: { path: string }[] }) => error,
    );
    expect(problems.map((problem) => problem.path)).toContain(path);
  });

  it('refuses to roll back below the floor that the release raises, at onFailure', async () => {
    await t.query(`update release set statement = statement || '{"rollbackFloor": 2}' where name = $1`, [RELEASE]);
    await t.query(
      `insert into assignment (device_id, sequence, release, variant) values ('d-0', 1, 'meter@1.0.0', 'onnx-fp32')`,
    );
    await expect(preview()).rejects.toMatchObject({
      code: 'rollback-forbidden',
      problems: [{ path: 'onFailure', message: 'expected pause: devices could not go back to meter@1.0.0' }],
    });
  });
});
