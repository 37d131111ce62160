import type { TelemetryRecord } from '@aviary/protocol';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import type { DevicePlane } from './device-plane.ts';
import { a, b } from './device-story.ts';
import { type DiskImage, readImage, writeImage } from './disk-history.ts';
import { LightDevice } from './light-device.ts';
import { faultsOf, type Seen } from './told-and-kept.ts';
import { WatchedDisk } from './watched-disk.ts';

/**
 * Installs `b` where `a` is, on a disk that is full from some place on; then there is room again, and the next attempt has to
 * come to its end.
 * @param image a device that has run before
 * @returns whether the disk was full before the install had come to its end by itself
 * @throws Error saying what is not as it has to be
 */
export const installWhenFull = async (
  image: DiskImage,
  fullFrom: number,
  plane: DevicePlane,
  api: DeviceApi,
  folder: string,
): Promise<boolean> => {
  await writeImage(image, folder);
  plane.assign(b, 1);
  const disk = await WatchedDisk.watch<Seen>(folder);
  disk.fullFrom = fullFrom;
  let device: LightDevice | undefined;
  const told: TelemetryRecord[] = [];
  const tell = (running: LightDevice) => running.tell(({ records }) => void told.push(...records));
  try {
    device = await LightDevice.start(folder, api);
    await device.begin();
    demand(device.serves === a.statement.release, `on a full disk ${device.serves} serves`);
    const isThrough = await install(device);
    await tell(device).catch(demandFull);
    const halfDone = faultsOf(await readImage(folder), []);
    demand(halfDone.length === 0, halfDone.join('; '));
    const reasons = told.flatMap((record) => (record.type === 'execution' ? (record.reason?.code ?? []) : []));
    demand(
      reasons.every((code) => code === 'disk-full'),
      `the reason was told as ${reasons}`,
    );

    disk.fullFrom = Number.POSITIVE_INFINITY;
    if (device.journal.state.endedExecutions.length > 0 && device.serves !== b.statement.release) plane.assign(b, 2);
    await device.look();
    await device.settle();
    await tell(device);
    demand(device.serves === b.statement.release, `in the end ${device.serves} serves`);
    demand(
      told.some((record) => record.type === 'execution' && record.state === 'SUCCEEDED'),
      'its end was not told',
    );
    return !isThrough;
  } finally {
    disk.leave();
    await device?.stop();
  }
};

/** @returns whether it came through */
const install = async (device: LightDevice): Promise<boolean> => {
  try {
    await device.look();
    await device.settle();
    return device.serves === b.statement.release;
  } catch (error) {
    demandFull(error);
    return false;
  }
};

const demandFull = (error: unknown): void => {
  const { code, message } = error as NodeJS.ErrnoException;
  demand(code === 'ENOSPC', `expected ENOSPC to be the reason, got ${message}`);
};

const demand = (isSo: boolean, words: string): void => {
  if (!isSo) throw new Error(words);
};
