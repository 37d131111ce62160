import type { TelemetryBatch, TelemetryRecord } from '@aviary/protocol';
import fc from 'fast-check';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { peekJournal } from '../../apps/agent/src/state/journal.ts';
import { DevicePlane } from './device-plane.ts';
import { a, b, c, old, SHADOW_TERMS } from './device-story.ts';
import { type ContentFate, type DiskImage, type Fate, readImage, writeImage } from './disk-history.ts';
import { LightDevice } from './light-device.ts';
import type { ReachedPlanes } from './reached-planes.ts';
import { prepareState, type StateFolders } from './state-folders.ts';
import { faultsOf, type Seen } from './told-and-kept.ts';
import { WatchedDisk } from './watched-disk.ts';

/** What happens at the control plane, or by whoever holds it, while the power is off. */
const EVENTS = {
  nothing: () => undefined,
  'b is assigned': (plane, sequence) => plane.assign(b, sequence),
  'c is assigned': (plane, sequence) => plane.assign(c, sequence),
  'c is assigned, and runs in shadow first': (plane, sequence) => plane.assign(c, sequence, { terms: SHADOW_TERMS }),
  'a is assigned again': (plane, sequence) => plane.assign(a, sequence),
  'b is revoked': ({ repository }) => repository.publish({ releases: [old, a, c].map(({ statement }) => statement) }),
  'b is stopped': ({ repository }) =>
    repository.publish({
      releases: [old, a, c].map(({ statement }) => statement),
      stopped: [b.statement.release],
    }),
  'what is below the floor is assigned': (plane, sequence) => plane.assign(old, sequence),
  'something for another device is assigned': (plane, sequence) => plane.assign(c, sequence, { deviceId: 'd-two' }),
  'what is no target is assigned': (plane, sequence) => plane.assign(c, sequence, { targetPath: 'light-reader/none' }),
} satisfies Record<string, (plane: DevicePlane, sequence: number) => void>;

export interface CutStep {
  readonly event: keyof typeof EVENTS;
  /** Changes of the disk in this run before the power goes; it may end before. */
  readonly cutAfter: number;
  /** One after the other, over and over, for the changes that are not synced. */
  readonly names: readonly boolean[];
  readonly contents: readonly ContentFate[];
}

const stepArbitrary: fc.Arbitrary<CutStep> = fc.record({
  event: fc.constantFrom(...(Object.keys(EVENTS) as (keyof typeof EVENTS)[])),
  cutAfter: fc.integer({ min: 0, max: 160 }),
  names: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
  contents: fc.array(fc.constantFrom<ContentFate>('lost', 'torn', 'kept'), { minLength: 1, maxLength: 5 }),
});

/** Several cuts in a row. */
const sequenceArbitrary: fc.Arbitrary<readonly CutStep[]> = fc.array(stepArbitrary, {
  minLength: 1,
  maxLength: 4,
});

/** Fates that are drawn. */
export const drawnFate = ({ names, contents }: Pick<CutStep, 'names' | 'contents'>): Fate => ({
  keepsNames: (place) => names[place % names.length] ?? false,
  content: (place) => contents[place % contents.length] ?? 'lost',
});
export const fateArbitrary = stepArbitrary.map(drawnFate);

/** Of the device in the beginning: `old` is below it. */
const FLOOR = 2;
const RELEASES = [a, b, c].map(({ held }) => held);

/**
 * Lets the power of devices go again and again, one after the other, each by a sequence that is drawn.
 * @param folders removed after each device
 * @throws Error with the shortest sequence that was found after which something is not as it has to be
 */
export const runDrawnSequences = async (
  devices: number,
  planes: ReachedPlanes,
  folders: StateFolders,
): Promise<void> => {
  const plane = new DevicePlane([old, a, b, c]);
  const api = await planes.reach(plane);
  await fc.assert(
    fc.asyncProperty(sequenceArbitrary, async (steps) => {
      await runSequence(steps, plane, api, () => folders.make());
      await folders.remove();
    }),
    { numRuns: devices, endOnFailure: true },
  );
};

/**
 * Lets the power of one device go again and again, and then lets the next assignment come.
 * @param plane has published `old`, `a`, `b` and `c`
 * @param makeFolder an empty one for each run
 * @throws Error saying what is not as it has to be
 */
const runSequence = async (
  steps: readonly CutStep[],
  plane: DevicePlane,
  api: DeviceApi,
  makeFolder: () => Promise<string>,
): Promise<void> => {
  plane.repository.publish({ releases: [old, a, b, c].map(({ statement }) => statement), stopped: [] });
  plane.assign(a, 1);
  let folder = await makeFolder();
  await prepareState(folder, { committed: a.held, rollbackFloor: FLOOR }, [a]);
  const seen: Seen[] = [];
  let sequence = 1;
  for (const step of steps) {
    sequence += 1;
    EVENTS[step.event](plane, sequence);
    const image = await cutRun(folder, step, api, seen);
    folder = await makeFolder();
    await writeImage(image, folder);
  }
  sequence += 1;
  plane.assign(c, sequence);
  await lastRun(folder, plane, api);
};

/** One run until the power goes. @returns what the disk holds then */
const cutRun = async (folder: string, step: CutStep, api: DeviceApi, seen: Seen[]): Promise<DiskImage> => {
  const disk = await WatchedDisk.watch<Seen>(folder, step.cutAfter);
  let device: LightDevice | undefined;
  try {
    device = await LightDevice.start(folder, api);
    const floor = Math.max(device.journal.state.rollbackFloor, FLOOR);
    await device.begin();
    demandServing(device, floor);
    await device.look();
    await device.settle();
    demandServing(device, floor);
    await device.tell((batch: TelemetryBatch) => disk.mark({ kind: 'batch', batch }));
  } catch (error) {
    if (!disk.isCut) throw error;
  } finally {
    disk.leave();
    await device?.stop();
  }
  seen.push(...disk.history.marksBefore(disk.history.length));
  const image = disk.history.image(disk.history.length, drawnFate(step));
  const faults = faultsOf(image, seen);
  if (faults.length > 0) throw new Error(faults.join('; '));
  return image;
};

/**
 * Something proven serves, and nothing that may not.
 * @param floor of the device when it was started
 */
const demandServing = ({ serves, served, journal }: LightDevice, floor: number): void => {
  const { stopped, committed, rollbackFloor } = journal.state;
  if (rollbackFloor < floor) throw new Error(`the floor has fallen from ${floor} to ${rollbackFloor}`);
  if (serves === undefined) throw new Error(`nothing serves; committed is ${committed?.release}`);
  if (stopped.includes(serves)) throw new Error(`${serves} serves, which has been stopped`);
  const mayServe = RELEASES.filter(({ releaseCounter }) => releaseCounter >= floor).map(({ release }) => release);
  const stray = served.find((release) => !mayServe.includes(release));
  if (stray !== undefined) throw new Error(`${stray} has served, where the floor was ${floor}`);
};

/** Nobody cuts it any more: what is assigned now has to come. */
const lastRun = async (folder: string, plane: DevicePlane, api: DeviceApi): Promise<void> => {
  const device = await LightDevice.start(folder, api);
  const floor = Math.max(device.journal.state.rollbackFloor, FLOOR);
  try {
    plane.isAway = true;
    await device.begin();
    demandServing(device, floor);
    plane.isAway = false;
    const finding = await device.look();
    if (finding.found !== 'assigned') throw new Error(`the next assignment is not taken: ${JSON.stringify(finding)}`);
    await device.settle();
    demandServing(device, floor);
    const told: TelemetryRecord[] = [];
    await device.tell(({ records }) => void told.push(...records));
    const { executionId } = finding.release;
    const ends = told.flatMap((record) =>
      record.type === 'execution' && record.executionId === executionId ? record.state : [],
    );
    if (ends.at(-1) !== 'SUCCEEDED') throw new Error(`the next attempt was told as ${ends.join()}`);
    const journal = await peekJournal(folder);
    if (device.serves !== c.statement.release || journal?.committed?.digest !== c.held.digest) {
      throw new Error(`in the end ${device.serves} serves, and ${journal?.committed?.release} is committed`);
    }
    const faults = faultsOf(await readImage(folder), []);
    if (faults.length > 0) throw new Error(faults.join('; '));
  } finally {
    await device.stop();
  }
};
