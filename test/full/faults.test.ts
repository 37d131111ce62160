import { mkdir, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetryRecord } from '@aviary/protocol';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import type { JournalState } from '../../apps/agent/src/state/journal.ts';
import { comeBack, comeBackLight } from '../faults/come-back.ts';
import { fateArbitrary, runDrawnSequences } from '../faults/cut-sequence.ts';
import { DevicePlane } from '../faults/device-plane.ts';
import { a, b, CONSENTED, c, INSTALL, SHADOWED, STAGE, TAKE_BACK } from '../faults/device-story.ts';
import type { DiskHistory } from '../faults/disk-history.ts';
import { LightDevice } from '../faults/light-device.ts';
import { type Cut, cutsAtDecision, cutsOf, playOnce } from '../faults/power-cuts.ts';
import { ReachedPlanes } from '../faults/reached-planes.ts';
import { REAL_PROGRAMS, RunningDevice } from '../faults/running-device.ts';
import { SmallDisk } from '../faults/small-disk.ts';
import { soon } from '../faults/soon.ts';
import { prepareState, StateFolders } from '../faults/state-folders.ts';
import { faultsOf, type Seen } from '../faults/told-and-kept.ts';

const MB = 2 ** 20;
const folders = new StateFolders();
const planes = new ReachedPlanes();
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await planes.stop();
  await folders.remove();
});

describe.each([INSTALL, CONSENTED, SHADOWED, STAGE, TAKE_BACK])(
  'the power goes during $name of the whole agent',
  (story) => {
    let history: DiskHistory<Seen>;
    let cuts: readonly Cut[];
    const historyFolders = new StateFolders();
    beforeAll(async () => {
      history = await playOnce(story, await planes.pki, await historyFolders.make(), REAL_PROGRAMS);
      cuts = cutsOf(history);
    });
    afterAll(() => historyFolders.remove());

    /** The control plane as it is after the story. */
    const reachPlane = async () => {
      const plane = story.plane();
      story.happen(plane);
      return { plane, api: await planes.reach(plane) };
    };

    it('at every place, and the device serves what is proven, and then comes to the end of it', async () => {
      const { plane, api } = await reachPlane();
      const wrong: string[] = [];
      for (const cut of cuts) {
        const faults = faultsOf(cut.image, cut.seen);
        if (faults.length > 0) wrong.push(`${cut.words}: ${faults.join('; ')}`);
        const comes = comeBackLight(story, cut, plane, api, await folders.make());
        await comes.catch((error: Error) => wrong.push(`${cut.words}: ${error.message}`));
        await folders.remove();
      }
      expect(wrong).toEqual([]);
      expect(cuts.length).toBeGreaterThan(100);
    });

    it('at any place with a fate of its own for each change, and all the same', async () => {
      const { plane, api } = await reachPlane();
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: history.length }), fateArbitrary, async (place, fate) => {
          const cut = { words: `before ${place}`, image: history.image(place, fate), seen: history.marksBefore(place) };
          expect(faultsOf(cut.image, cut.seen)).toEqual([]);
          await comeBackLight(story, cut, plane, api, await folders.make());
          await folders.remove();
        }),
        { numRuns: 100, endOnFailure: true },
      );
    });

    it('here and there, and the whole agent serves with real workers, and comes to the end of it', async () => {
      const spread = Array.from({ length: 5 }, (_, i) => cuts[Math.floor(((i + 0.5) * cuts.length) / 5)]);
      for (const cut of [...spread, ...cutsAtDecision(story, history)]) {
        if (cut === undefined) continue;
        await comeBack(story, cut, await planes.pki, await folders.make(), REAL_PROGRAMS).catch((error) => {
          throw new Error(cut.words, { cause: error });
        });
      }
    });
  },
);

describe('the power goes again and again', () => {
  it('while releases are assigned, taken back and forged, and the next one comes all the same', async () => {
    await runDrawnSequences(150, planes, folders);
  });
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
