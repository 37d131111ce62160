import { readFile } from 'node:fs/promises';
import { afterAll, expect } from 'vitest';
import type { SupervisorOptions } from '../../apps/agent/src/supervisor.ts';
import { makePki } from '../../apps/agent/src/testing/fleet-pki.ts';
import { recordsOf } from '../../apps/agent/src/testing/records.ts';
import { identity, type SealedRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { DevicePlane } from './device-plane.ts';
import { a } from './device-story.ts';
import { RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { prepareState, StateFolders } from './state-folders.ts';

/** As often a release may lose its worker before it is not tried again. */
const LOSSES = 5;

/** A device on which a release serves that may go wrong. */
interface TriedDevice {
  readonly folder: string;
  readonly plane: DevicePlane;
  readonly device: RunningDevice;
}

/**
 * Whole agents and what they do when a release goes wrong; they end with the test file. To be called once, at its top.
 * @param patience seconds that each thing may take
 */
export const badReleaseRig = async (patience: number) => {
  const pki = await makePki(identity.deviceId);
  const folders = new StateFolders();
  const running = new Set<RunningDevice>();
  const stop = async (device: RunningDevice): Promise<void> => {
    running.delete(device);
    await device.stop();
  };
  afterAll(async () => {
    for (const device of [...running].reverse()) await stop(device);
    await folders.remove();
  });

  const inTime = (what: string, isSo: () => boolean) => soon(what, isSo, patience);

  /** Starts an agent on a state directory. */
  const start = async (folder: string, plane: DevicePlane, change: Partial<SupervisorOptions>) => {
    const device = await RunningDevice.start(folder, plane, pki, change);
    running.add(device);
    return device;
  };

  /** Starts an agent that has a release committed, and `a` to go back to; it tells its fleet of it every second. */
  const startWith = async (release: SealedRelease, change: Partial<SupervisorOptions>): Promise<TriedDevice> => {
    const folder = await folders.make();
    await prepareState(folder, { committed: release.held, previous: a.held, rollbackFloor: 2 }, [a, release]);
    const plane = new DevicePlane([a, release]);
    return { folder, plane, device: await start(folder, plane, { telemetrySeconds: 1, ...change }) };
  };

  /** Waits until the device has gone back to `a`, and has said why, in such words, as often as the worker was lost. */
  const demandWayBack = async (
    { folder, plane, device }: TriedDevice,
    bad: SealedRelease,
    words: RegExp,
  ): Promise<void> => {
    await inTime('the release before answers', () => device.served.includes(a.statement.release));
    await inTime('it is told', () => plane.events.includes('release-quarantined'));

    expect(device.served).toEqual([bad.statement.release, a.statement.release]);
    const losses = recordsOf(plane.records, 'event').filter(({ code }) => code === 'worker-lost');
    expect(losses.map(({ message, at }) => `${at} ${message}`)).toHaveLength(LOSSES);
    for (const { message } of losses) expect(message).toMatch(words);
    expect(JSON.parse(await readFile(`${folder}/journal.json`, 'utf8'))).toMatchObject({
      quarantined: [bad.held.digest],
    });
  };

  return { makeFolder: () => folders.make(), inTime, start, stop, startWith, demandWayBack };
};
