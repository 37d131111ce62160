import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetryRecord } from '@aviary/protocol';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import type { TestPki } from '../../apps/agent/src/testing/fleet-pki.ts';
import type { DevicePlane } from './device-plane.ts';
import type { Story } from './device-story.ts';
import { type DiskImage, writeImage } from './disk-history.ts';
import { LightDevice } from './light-device.ts';
import { type Cut, isNoted } from './power-cuts.ts';
import { type Programs, RunningDevice } from './running-device.ts';
import { soon } from './soon.ts';
import { journalOf, type Seen } from './told-and-kept.ts';

/**
 * The power comes back on what the disk holds, for the whole agent. First nobody is there but the device: it has to serve
 * what is proven. Then the control plane is there again, and the story has to come to its end.
 * @param seen before the cut
 * @throws Error saying what is not as it has to be
 */
export const comeBack = async (
  story: Story,
  { image, seen }: Cut,
  pki: TestPki,
  folder: string,
  programs: Programs = {},
): Promise<void> => {
  await writeImage(image, folder);
  const plane = story.plane();
  story.happen(plane);
  plane.isAway = true;
  let isConnected = false;
  plane.onSession = () => {
    isConnected = true;
  };
  const device = await RunningDevice.start(folder, plane, pki, programs);
  try {
    await soon('it serves without a control plane', () => device.served.length > 0);
    demandProven(image, device.served);
    await soon('it is connected', () => isConnected);
    plane.isAway = false;
    plane.ring('trust');
    const end = story.end.statement.release;
    await soon(`${end} serves`, () => device.served.at(-1) === end);
    await soon('all is noted', () => isNoted(story, folder));
    const toldAll = (): TelemetryRecord[] => [...toldIn(seen), ...plane.records];
    const isOutcome = (record: TelemetryRecord): boolean =>
      record.type === 'execution' && record.state === story.outcome;
    if (story.outcome !== undefined) await soon(`${story.outcome} is told`, () => toldAll().some(isOutcome));
    await demandEnd(story, device.served, toldAll(), folder);
  } finally {
    await device.stop();
  }
};

/** The same for a light device. @param api how it reaches `plane`, which is as it is after the story */
export const comeBackLight = async (
  story: Story,
  { image, seen }: Cut,
  plane: DevicePlane,
  api: DeviceApi,
  folder: string,
): Promise<void> => {
  await writeImage(image, folder);
  const device = await LightDevice.start(folder, api);
  try {
    plane.isAway = true;
    await device.begin();
    demandProven(image, device.served);
    plane.isAway = false;
    await device.look();
    await device.settle();
    if (device.serves !== story.end.statement.release) throw new Error(`in the end ${device.serves} serves`);
    const told = toldIn(seen);
    await device.tell(({ records }) => void told.push(...records));
    if (!(await isNoted(story, folder)))
      throw new Error(`in the end the journal is ${JSON.stringify(device.journal.state)}`);
    await demandEnd(story, device.served, told, folder);
  } finally {
    await device.stop();
  }
};

const toldIn = (seen: readonly Seen[]): TelemetryRecord[] =>
  seen.flatMap((one) => (one.kind === 'batch' ? one.batch.records : []));

/** Without a control plane it is what was committed that serves, or what was before it where that has been stopped. */
const demandProven = (image: DiskImage, served: readonly string[]): void => {
  const { committed, previous, stopped = [] } = journalOf(image) ?? {};
  const proven = stopped.includes(committed?.release ?? '') ? previous : committed;
  if (served.join() !== proven?.release) throw new Error(`proven is ${proven?.release}, served has ${served.join()}`);
};

const demandEnd = async (
  { held, staged, end, outcome }: Story,
  served: readonly string[],
  told: readonly TelemetryRecord[],
  folder: string,
): Promise<void> => {
  const executions = told.filter((record) => record.type === 'execution');
  const ends = new Set(executions.filter(({ state }) => isEnd(state)).map(({ state }) => state));
  if ([...ends].join() !== (outcome ?? '')) throw new Error(`expected to be told ${outcome}, was told ${[...ends]}`);
  const allowed = [...held, end];
  const stray = served.find((release) => !allowed.some(({ statement }) => statement.release === release));
  if (stray !== undefined) throw new Error(`${stray} has served`);
  const left = await readdir(join(folder, 'releases'));
  const kept = staged === undefined ? allowed : [...allowed, staged];
  const odd = left.filter((name) => !kept.some(({ held: { sha256 } }) => sha256 === name));
  if (odd.length > 0) throw new Error(`expected only whole releases to be left, found ${odd}`);
};

const isEnd = (state: string): boolean => ['SUCCEEDED', 'STAGED', 'FAILED', 'REJECTED', 'ROLLED_BACK'].includes(state);
