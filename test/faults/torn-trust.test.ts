import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { DevicePlane } from './device-plane.ts';
import { a, b, c, old } from './device-story.ts';
import { type DiskImage, type ImageEntry, readImage, writeImage } from './disk-history.ts';
import { LightDevice } from './light-device.ts';
import { ReachedPlanes } from './reached-planes.ts';
import { prepareState, StateFolders } from './state-folders.ts';

const folders = new StateFolders();
const planes = new ReachedPlanes();
const plane = new DevicePlane([old, a, b, c]);
let api: DeviceApi;
/** A device that has installed `b`. */
let installed: DiskImage;

beforeAll(async () => {
  api = await planes.reach(plane);
  const folder = await folders.make();
  await prepareState(folder, { committed: a.held, rollbackFloor: 2 }, [a]);
  plane.assign(b, 1);
  const device = await LightDevice.start(folder, api);
  await device.look();
  await device.settle();
  await device.stop();
  installed = await readImage(folder);
  plane.assign(c, 2);
});
afterAll(async () => {
  await planes.stop();
  await folders.remove();
});

const turned = (content: Buffer, at: number): Buffer => {
  const other = Buffer.from(content);
  other[at] = (other[at] ?? 0) ^ 1;
  return other;
};

/** What becomes of one file; undefined: it is gone. */
const DAMAGES: Readonly<Record<string, (content: Buffer) => Buffer | undefined>> = {
  'is empty': () => Buffer.alloc(0),
  'has lost its second half': (content) => content.subarray(0, content.length >> 1),
  'is full of zeros': (content) => Buffer.alloc(content.length),
  'ends in zeros': (content) =>
    Buffer.concat([content.subarray(0, content.length >> 1), Buffer.alloc(content.length >> 1)]),
  'has a turned bit in its signature': (content) => turned(content, content.indexOf('"sig":"') + 20),
  // Another version, or none: still JSON, and not what was signed.
  'has a turned bit in what is signed': (content) => turned(content, content.indexOf('"version":') + 10),
  'has a turned bit in its first byte': (content) => turned(content, 0),
  'is gone': () => undefined,
};
const ROLES = ['root', 'targets', 'snapshot', 'timestamp'];

/** The folder of the metadata that counts. */
const currentSet = (): string => {
  const entry = installed.get('trust/current');
  if (entry?.kind !== 'link') throw new Error('expected a link at trust/current');
  return `trust/${entry.target}`;
};

/** The device starts on this disk; it has to serve what it has, and then to install what is assigned. */
const demandRecovery = async (image: DiskImage): Promise<void> => {
  const folder = await folders.make();
  await writeImage(image, folder);
  const device = await LightDevice.start(folder, api);
  try {
    plane.isAway = true;
    await device.begin();
    expect(device.serves).toBe(b.statement.release);
    // Nobody is there to make it whole, and nothing changes for what runs.
    await expect(device.look()).rejects.toThrow();
    plane.isAway = false;
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await device.settle();
    expect(device.serves).toBe(c.statement.release);
    expect(device.served).toEqual([b.statement.release, c.statement.release]);
    expect(device.journal.state).toMatchObject({ committed: { release: c.statement.release }, rollbackFloor: 3 });
  } finally {
    await device.stop();
  }
};

describe('a file of the trust that a device keeps', () => {
  it.each(ROLES.flatMap((role) => Object.keys(DAMAGES).map((damage) => [role, damage] as const)))(
    '%s.json %s, and is made whole from the pinned root',
    async (role, damage) => {
      const path = `${currentSet()}/${role}.json`;
      const entry = installed.get(path);
      if (entry?.kind !== 'file') throw new Error(`expected a file at ${path}`);
      const content = DAMAGES[damage]?.(entry.content);
      const image = new Map<string, ImageEntry>(installed);
      if (content === undefined) image.delete(path);
      else {
        expect(content.equals(entry.content)).toBe(false);
        image.set(path, { ...entry, content });
      }
      await demandRecovery(image);
    },
  );

  it('is gone with its folder', async () => {
    const set = currentSet();
    await demandRecovery(new Map([...installed].filter(([path]) => !path.startsWith(set))));
  });

  it('is not found, since the link to it is gone', async () => {
    await demandRecovery(new Map([...installed].filter(([path]) => path !== 'trust/current')));
  });

  it('is not found, since a file lies where the link was', async () => {
    const file: ImageEntry = { kind: 'file', node: 1_000, content: Buffer.from('set-000000000000') };
    await demandRecovery(new Map<string, ImageEntry>([...installed, ['trust/current', file]]));
  });

  it('is gone with all of it', async () => {
    await demandRecovery(new Map([...installed].filter(([path]) => !path.startsWith('trust'))));
  });
});
