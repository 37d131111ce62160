import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DevicesService } from '../../apps/control-plane/src/features/devices/devices.service.ts';
import { insertDevice } from '../support/rows.ts';
import { TestDatabase } from '../support/test-database.ts';

const SILENT_AFTER_S = 90;

describe('the presence of a device', () => {
  let t: TestDatabase;
  let devices: DevicesService;
  beforeAll(async () => {
    t = await TestDatabase.start();
    devices = new DevicesService(t.database, []);
  });
  afterAll(() => t?.stop());
  beforeEach(async () => {
    await t.clear();
    await insertDevice(t, 'd-one');
    await t.query('update device set presence_session = 2');
  });

  const says = (online: boolean, session: number) =>
    devices.recordPresence('d-one', { online, session, agentVersion: '1.0.0' });
  const passSeconds = async (seconds: number) => {
    await t.query('update device set presence_at = presence_at - make_interval(secs => $1)', [seconds]);
    await t.query('update telemetry_position set received_at = received_at - make_interval(secs => $1)', [seconds]);
  };
  const presence = async () => {
    await devices.markSilentOffline(SILENT_AFTER_S);
    const [row] = await t.query<{ presence: string }>('select presence from device');
    return row?.presence;
  };

  it('ends when it has said nothing for long', async () => {
    await passSeconds(100);
    expect(await presence()).toBe('offline');
  });

  it('lasts as long as it says so, and comes back when it says so again', async () => {
    await passSeconds(60);
    await says(true, 2);
    await passSeconds(60);
    expect(await presence()).toBe('online');
    await passSeconds(60);
    expect(await presence()).toBe('offline');
    await says(true, 2);
    expect(await presence()).toBe('online');
  });

  it('is not what an earlier connection has said of itself', async () => {
    await passSeconds(100);
    await says(true, 1);
    expect(await presence()).toBe('offline');
  });

  it('of one that was revoked does not come back', async () => {
    await t.query(`update device set revoked_at = now(), presence = 'offline'`);
    await says(true, 3);
    expect(await presence()).toBe('offline');
    expect(await t.query('select 1 from telemetry_position where received_at is not null')).toEqual([]);
  });
});
