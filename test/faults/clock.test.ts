import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { validityOf } from '../../apps/agent/src/identity/credentials.ts';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import type { JournalState } from '../../apps/agent/src/state/journal.ts';
import { DevicePlane } from './device-plane.ts';
import { a, b } from './device-story.ts';
import { LightDevice } from './light-device.ts';
import { ReachedPlanes } from './reached-planes.ts';
import { RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { prepareState, StateFolders } from './state-folders.ts';

const DAY_MS = 86_400_000;
const YEARS_MS = 10 * 365 * DAY_MS;
/** As long after 1970 as a board without a battery has been on. */
const JUST_BOOTED = 20_000;

const folders = new StateFolders();
const planes = new ReachedPlanes();
const devices: { stop(): Promise<void> }[] = [];
let plane: DevicePlane;
let now: number;
beforeEach(() => {
  now = Date.now();
  plane = new DevicePlane([a, b]);
  plane.assign(b, 1);
});
afterEach(async () => {
  vi.useRealTimers();
  for (const device of devices.splice(0)) await device.stop();
  await planes.stop();
  await folders.remove();
});

/** Timers and TLS keep to the clock of the machine: only what the agent takes for the time of day is another. */
const setClock = (time: number): void => {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(time);
};

const start = async (folder: string, api: DeviceApi): Promise<LightDevice> => {
  const device = await LightDevice.start(folder, api);
  devices.push(device);
  await device.begin();
  expect(device.serves).toBe(a.statement.release);
  return device;
};

/** A device that has `a`. @param server the certificate's life where it is not the usual one, ms since 1970 */
const prepare = async (
  journal: Partial<JournalState> = {},
  server?: { readonly from: number; readonly to: number },
) => {
  const folder = await folders.make();
  await prepareState(folder, { committed: a.held, rollbackFloor: 2, ...journal }, [a]);
  const pki = await planes.pki;
  const certified = validityOf(pki.device.certificate)?.from ?? 0;
  // As the supervisor has it.
  const floor = () => Math.max(journal.timeFloor ?? 0, certified);
  const api = await planes.reach(plane, floor, server && { ...pki, server: await pki.serve(server) });
  return { folder, api };
};

const demandInstall = async (device: LightDevice): Promise<void> => {
  await device.settle();
  expect(device.serves).toBe(b.statement.release);
  expect(device.journal.state).toMatchObject({ committed: { release: b.statement.release }, candidate: null });
};

describe('a clock that stands in 1970', () => {
  it('keeps the device from nothing: it installs, and knows later than that', async () => {
    const { folder, api } = await prepare();
    setClock(JUST_BOOTED);
    const device = await start(folder, api);
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await demandInstall(device);
    // From the assignment, which was signed a second before.
    expect(device.journal.state.timeFloor).toBeGreaterThan(now - DAY_MS);
  });

  it('makes nothing valid that has expired by the newest time that was seen signed', async () => {
    const timeFloor = now + 31 * DAY_MS;
    const { folder, api } = await prepare({ timeFloor });
    setClock(JUST_BOOTED);
    const device = await start(folder, api);
    expect(await device.look()).toMatchObject({ found: 'refused', code: 'metadata-expired' });
    await device.settle();
    expect(device.served).toEqual([a.statement.release]);
    // The control plane renews what it has to renew, and the next attempt succeeds.
    const expires = timeFloor + 30 * DAY_MS;
    const { edition } = plane.repository;
    plane.repository.publishRoot({
      expires: { root: expires, targets: expires, snapshot: expires, timestamp: expires },
    });
    plane.repository.publish({ releases: edition.releases });
    plane.assign(b, 1, { issuedAt: timeFloor, expires });
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await demandInstall(device);
  });

  it('does not believe a server whose certificate had ended by then', async () => {
    const timeFloor = now - DAY_MS;
    const { folder, api } = await prepare({ timeFloor }, { from: now - 9 * DAY_MS, to: timeFloor - 1 });
    setClock(JUST_BOOTED);
    const device = await start(folder, api);
    await expect(device.look()).rejects.toThrow(/its certificate has expired on/);
    expect(device.serves).toBe(a.statement.release);
    expect(plane.repository.asked).toEqual([]);
  });
});

describe('a clock that is ten years ahead', () => {
  it('keeps the device from what is new, never from what runs, and from nothing any more once it is right', async () => {
    const { folder, api } = await prepare();
    setClock(now + YEARS_MS);
    const device = await start(folder, api);
    expect(await device.look()).toMatchObject({ found: 'refused', code: 'metadata-expired' });
    await device.settle();
    expect(device.served).toEqual([a.statement.release]);
    // A wrong clock is no signed time.
    expect(device.journal.state.timeFloor).toBeLessThan(now + DAY_MS);
    vi.useRealTimers();
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await demandInstall(device);
  });

  it('finds the certificates of all servers expired, and what runs goes on', async () => {
    const { folder, api } = await prepare({}, { from: now - YEARS_MS - 30 * DAY_MS, to: now - YEARS_MS });
    const device = await start(folder, api);
    await expect(device.look()).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    await device.settle();
    expect(device.serves).toBe(a.statement.release);
  });
});

describe('a clock that jumps in the middle of an install', () => {
  /** What the clock says once half of the release has come. */
  const jumpTo = (time: number): void => {
    plane.sendBlob = (response, bytes, start) => {
      response.write(bytes.subarray(start, bytes.length >> 1), () => {
        setClock(time);
        response.end(bytes.subarray(bytes.length >> 1));
      });
    };
  };

  it('back to 1970 does not disturb it', async () => {
    const { folder, api } = await prepare();
    jumpTo(JUST_BOOTED);
    const device = await start(folder, api);
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await demandInstall(device);
    expect(Date.now()).toBeLessThan(DAY_MS);
  });

  it('ten years ahead stops it until it is right, and is no failure', async () => {
    const { folder, api } = await prepare();
    jumpTo(now + YEARS_MS);
    const device = await start(folder, api);
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await expect(device.settle()).rejects.toThrow(/the metadata that allows .* expired at/);
    expect(device.serves).toBe(a.statement.release);
    expect(device.journal.state).toMatchObject({ candidate: { stage: 'fetched' }, endedExecutions: [] });
    vi.useRealTimers();
    await demandInstall(device);
  });

  it('back to 1970 does not disturb the whole agent, which meets its servers again by then', async () => {
    const folder = await folders.make();
    await prepareState(folder, { committed: a.held, rollbackFloor: 2 }, [a]);
    jumpTo(JUST_BOOTED);
    const device = await RunningDevice.start(folder, plane, await planes.pki);
    devices.push(device);
    const isTold = (): boolean => plane.records.some((one) => one.type === 'execution' && one.state === 'SUCCEEDED');
    await soon('its end is told', isTold);
    expect(Date.now()).toBeLessThan(DAY_MS);
    expect(device.served).toEqual([a.statement.release, b.statement.release]);
    // Taken back: what is asked for is asked for in 1970.
    plane.repository.publish({ releases: [a.statement], stopped: [b.statement.release] });
    plane.ring('trust');
    await soon('the release before serves', () => device.served.at(-1) === a.statement.release);
  });
});
