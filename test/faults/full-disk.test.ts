import { afterEach, describe, expect, it } from 'vitest';
import { DevicePlane } from './device-plane.ts';
import { a, b } from './device-story.ts';
import { readImage } from './disk-history.ts';
import { installWhenFull } from './filled-disk.ts';
import { LightDevice } from './light-device.ts';
import { ReachedPlanes } from './reached-planes.ts';
import { prepareState, StateFolders } from './state-folders.ts';

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
