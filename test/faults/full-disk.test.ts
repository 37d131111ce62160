import { readdir } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { DevicePlane } from './device-plane.ts';
import { a, b } from './device-story.ts';
import { readImage } from './disk-history.ts';
import { installWhenFull } from './filled-disk.ts';
import { LightDevice } from './light-device.ts';
import { ReachedPlanes } from './reached-planes.ts';
import { RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { prepareState, StateFolders } from './state-folders.ts';
import { WatchedDisk } from './watched-disk.ts';

const folders = new StateFolders();
const planes = new ReachedPlanes();
afterEach(async () => {
  await planes.stop();
  await folders.remove();
});

describe('the disk gets full during an install', () => {
  // A disk that is really full is in test/full/faults.test.ts.
  it('at any place, and the device serves, says so, and installs when there is room again', async () => {
    const plane = new DevicePlane([a, b]);
    const api = await planes.reach(plane);
    const before = await folders.make();
    await prepareState(before, { committed: a.held, rollbackFloor: 2 }, [a]);
    const device = await LightDevice.start(before, api);
    await device.stop();
    const image = await readImage(before);
    let place = 0;
    while (await installWhenFull(image, place, plane, api, await folders.make())) place += 5;
    expect(place).toBeGreaterThan(50);
  });
});

describe('the disk is full when the agent starts for the very first time', () => {
  it('and it is there for its fleet, which sees it, and installs when there is room', async () => {
    const plane = new DevicePlane([a]);
    const sessions: number[] = [];
    plane.onSession = (session) => void sessions.push(session);
    const state = await folders.make();
    const disk = await WatchedDisk.watch(state);
    disk.fullFrom = 0;
    const device = await RunningDevice.start(state, plane, await planes.pki, { pollSeconds: 1 });
    try {
      await soon('it is connected', () => sessions.length > 0);
      plane.assign(a, 1);
      plane.ring('assignment');
      expect(await readdir(state)).toEqual([]);
      disk.fullFrom = Number.POSITIVE_INFINITY;
      await soon('it serves', () => device.served.at(-1) === a.statement.release);
      await soon('it has told so', () =>
        plane.records.some((one) => one.type === 'execution' && one.state === 'SUCCEEDED'),
      );
    } finally {
      await device.stop();
      disk.leave();
    }
  });
});
