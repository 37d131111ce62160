import { mkdir, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetryRecord } from '@aviary/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import type { JournalState } from '../../apps/agent/src/state/journal.ts';
import { DevicePlane } from '../faults/device-plane.ts';
import { a, b, c } from '../faults/device-story.ts';
import { LightDevice } from '../faults/light-device.ts';
import { ReachedPlanes } from '../faults/reached-planes.ts';
import { RunningDevice } from '../faults/running-device.ts';
import { SmallDisk } from '../faults/small-disk.ts';
import { soon } from '../faults/soon.ts';
import { prepareState, StateFolders } from '../faults/state-folders.ts';

const MB = 2 ** 20;
const folders = new StateFolders();
const planes = new ReachedPlanes();
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await planes.stop();
  await folders.remove();
});

const isAboutRoom = (record: TelemetryRecord): boolean =>
  (record.type === 'event' && record.code === 'spool-not-written' && record.message.includes('ENOSPC')) ||
  (record.type === 'execution' && record.reason?.code === 'disk-full');

describe('a disk that is really full', () => {
  /** A device with `a` on a disk of a few megabytes, to which `b` is assigned. */
  const prepare = async (journal: Partial<JournalState> = {}) => {
    const disk = await SmallDisk.mount(40 * MB);
    ends.push(() => disk.unmount());
    const state = join(disk.path, 'state');
    await mkdir(state);
    await prepareState(state, { committed: a.held, rollbackFloor: 2, ...journal }, [a]);
    const plane = new DevicePlane([a, b, c]);
    return { disk, state, plane };
  };

  const start = async (state: string, api: DeviceApi, plainParent?: string): Promise<LightDevice> => {
    const device = await LightDevice.start(state, api, plainParent);
    ends.push(() => device.stop());
    await device.begin();
    return device;
  };

  /** What was told of executions: their states and the codes of their reasons. */
  const toldBy = async (device: LightDevice): Promise<string[]> => {
    const told: TelemetryRecord[] = [];
    await device.tell(({ records }) => void told.push(...records));
    return told.flatMap((record) =>
      record.type === 'execution' ? [record.state, ...(record.reason === undefined ? [] : [record.reason.code])] : [],
    );
  };

  const demandNothingHalfDone = async (device: LightDevice, state: string): Promise<void> => {
    expect(device.serves).toBe(a.statement.release);
    expect(device.journal.state).toMatchObject({ committed: { release: a.statement.release }, candidate: null });
    expect(await readdir(join(state, 'releases'))).toEqual([a.held.sha256]);
  };

  const demandNextAttempt = async (device: LightDevice, plane: DevicePlane, sequence: number): Promise<void> => {
    plane.assign(b, sequence);
    expect(await device.look()).toMatchObject({ found: 'assigned' });
    await device.settle();
    expect(device.serves).toBe(b.statement.release);
    expect(await toldBy(device)).toContain('SUCCEEDED');
  };

  it('refuses a release before a byte of it is fetched', async () => {
    const { disk, state, plane } = await prepare();
    const device = await start(state, await planes.reach(plane));
    plane.assign(b, 1);
    await disk.fill(20 * MB);
    await device.look();
    await device.settle();
    expect(await toldBy(device)).toEqual(['DOWNLOADING', 'FAILED', 'disk-full']);
    await demandNothingHalfDone(device, state);
    await disk.free();
    await demandNextAttempt(device, plane, 2);
  });

  it('ends a download in its middle', async () => {
    const { disk, state, plane } = await prepare();
    const device = await start(state, await planes.reach(plane));
    plane.assign(b, 1);
    const half = b.sealed.length >> 1;
    plane.sendBlob = (response, bytes, from) => {
      response.write(bytes.subarray(from, half), async () => {
        await disk.fill(16_384);
        response.end(bytes.subarray(half));
      });
    };
    await device.look();
    await device.settle();
    plane.sendBlob = (response, bytes, from) => void response.end(bytes.subarray(from));
    expect(await toldBy(device)).toEqual(['DOWNLOADING', 'FAILED', 'disk-full']);
    await demandNothingHalfDone(device, state);
    await disk.free();
    await demandNextAttempt(device, plane, 2);
  });

  it('takes no new trust, and keeps the one that it has', async () => {
    const { disk, state, plane } = await prepare();
    const device = await start(state, await planes.reach(plane));
    await device.look();
    const trusted = await readlink(join(state, 'trust', 'current'));
    plane.repository.publish();
    plane.assign(b, 1);
    await disk.fill(0);
    await expect(device.look()).rejects.toMatchObject({ code: 'ENOSPC' });
    expect((await readdir(join(state, 'trust'))).sort()).toEqual(['current', trusted].sort());
    expect(await readlink(join(state, 'trust', 'current'))).toBe(trusted);
    await demandNothingHalfDone(device, state);
    await disk.free();
    await demandNextAttempt(device, plane, 1);
  });

  it('takes no decision, and keeps the journal that it has', async () => {
    // Its journal fills most of a block: one that knows of an assignment needs two, and each change gives one back.
    const quarantined = Array.from({ length: 35 }, (_, i) => i.toString(16).padStart(64, '0'));
    const { disk, state, plane } = await prepare({ quarantined });
    const device = await start(state, await planes.reach(plane));
    // Its trust is up to date from here on: the journal is what has to be written.
    await device.look();
    plane.assign(b, 1);
    await disk.fill(0);
    await expect(device.look()).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(device.journal.state.sequence).toBe(0);
    await demandNothingHalfDone(device, state);
    // Also one that is started now serves.
    const again = await start(state, await planes.reach(new DevicePlane([a])));
    await demandNothingHalfDone(again, state);
    expect(again.journal.damage).toBeUndefined();
    await disk.free();
    await demandNextAttempt(device, plane, 1);
  });

  it('keeps what is told, and it is told by the whole agent that the disk is full', async () => {
    const { disk, state, plane } = await prepare();
    const device = await RunningDevice.start(state, plane, await planes.pki);
    ends.push(() => device.stop());
    await soon('it serves', () => device.served.length > 0);
    await soon('it has told so', () => plane.records.some(({ type }) => type === 'running'));
    await disk.fill(0);
    plane.assign(b, 1);
    plane.ring('assignment');
    // By the spool, which has to keep what is told in memory; or by the download, where the spool has found a last block.
    await soon('that the disk is full is told', () => plane.records.some((one) => isAboutRoom(one)));
    expect(device.served).toEqual([a.statement.release]);
    await disk.free();
    plane.assign(b, 2);
    plane.ring('assignment');
    await soon('the next attempt serves', () => device.served.at(-1) === b.statement.release);
    await soon('and is told', () => plane.records.some((one) => one.type === 'execution' && one.state === 'SUCCEEDED'));
  });

  it('opens nothing where the memory is full', async () => {
    const memory = await SmallDisk.mount(b.sealed.length >> 1);
    ends.push(() => memory.unmount());
    const { state, plane } = await prepare();
    const device = await start(state, await planes.reach(plane), memory.path);
    plane.assign(b, 1);
    await device.look();
    await device.settle();
    expect(await toldBy(device)).toEqual(['DOWNLOADING', 'DOWNLOADED', 'FAILED', 'memory-full']);
    await demandNothingHalfDone(device, state);
    plane.assign(c, 2);
    await device.look();
    await device.settle();
    expect(device.serves).toBe(c.statement.release);
  });
});
