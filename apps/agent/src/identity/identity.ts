import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { syncDirectory } from '../state/durable-file.ts';
import { Tpm } from '../tpm/tpm.ts';
import { SealLostError, TpmUnavailableError } from '../tpm/tpm-error.ts';
import { readAgeIdentity } from './age-key.ts';
import { type Credentials, readCredentials } from './credentials.ts';
import { type KeyKeeping, readKeeping } from './key-keeping.ts';
import { dropPreparedKeys } from './prepared-keys.ts';

/** The device has not joined a fleet, or what it kept of it is damaged. */
export class NotJoinedError extends Error {
  readonly code = 'not-joined';
}

export const IDENTITY_FOLDER = 'identity';

export const enrolmentSchema = z.object({
  deviceId: z.string(),
  epoch: z.int().positive(),
  deviceUrl: z.string(),
  mqttUrl: z.string(),
  /** Root metadata (TUF) of the image repository, pinned when the device joined. */
  root: z.string(),
  /** Model lines whose releases this device takes, as its owner has said here; absent: any. */
  models: z.array(z.string()).exactOptional(),
  /** Epoch in which the age identity was made: what was sealed before it does not open. Absent: the first. */
  ageSince: z.int().positive().exactOptional(),
});

/** What a device keeps of its joining, beside its keys. */
export type Enrolment = z.infer<typeof enrolmentSchema>;

export interface Identity extends Enrolment, Credentials {
  readonly fleetCa: string;
  /** `AGE-SECRET-KEY-1…`; opens the releases that are sealed to this device. */
  readonly ageIdentity: string;
  readonly keeping: KeyKeeping;
}

/** An identity that is complete, and about to take its place. */
const NEXT_FOLDER = `${IDENTITY_FOLDER}.next`;
const BEFORE_FOLDER = `${IDENTITY_FOLDER}.before`;
/** One that a process was at. */
const DRAFT = new RegExp(`^${IDENTITY_FOLDER}\\.\\d+$`);

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Lets an identity that is complete take its place; one that a power cut has stopped on its way there, too. A folder
 * cannot be replaced in one step: at each moment one of the two is there, whole. What has keys in it and does not count
 * any more is removed.
 * @param stateDirectory locked by the caller
 */
export const settleIdentity = async (stateDirectory: string): Promise<void> => {
  const folder = join(stateDirectory, IDENTITY_FOLDER);
  const next = join(stateDirectory, NEXT_FOLDER);
  const before = join(stateDirectory, BEFORE_FOLDER);
  if (await exists(next)) {
    if (await exists(folder)) {
      await rm(before, { recursive: true, force: true });
      await rename(folder, before);
    }
    await rename(next, folder);
    await syncDirectory(stateDirectory);
  }
  for (const name of await readdir(stateDirectory)) {
    if (DRAFT.test(name)) await rm(join(stateDirectory, name), { recursive: true, force: true });
  }
  if (!(await exists(folder))) return;
  await rm(before, { recursive: true, force: true });
  await dropPreparedKeys(stateDirectory);
};

/**
 * Makes an identity, which then takes the place of the one that is there: all of it, or nothing.
 * @param stateDirectory locked by the caller, and settled
 * @param write fills a folder; each file is on disk when it resolves
 * @returns what `write` returns
 * @throws what `write` and the disk throw
 */
export const replaceIdentity = async <T>(stateDirectory: string, write: (draft: string) => Promise<T>): Promise<T> => {
  const draft = join(stateDirectory, `${IDENTITY_FOLDER}.${process.pid}`);
  try {
    await mkdir(draft, { mode: 0o700 });
    const written = await write(draft);
    await rename(draft, join(stateDirectory, NEXT_FOLDER));
    await syncDirectory(stateDirectory);
    await settleIdentity(stateDirectory);
    return written;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
};

/** Where the identity is that counts. */
const currentFolder = async (stateDirectory: string): Promise<string> => {
  const folder = join(stateDirectory, IDENTITY_FOLDER);
  return (await exists(folder)) ? folder : join(stateDirectory, NEXT_FOLDER);
};

const readEnrolment = async (folder: string): Promise<Enrolment> =>
  enrolmentSchema.parse(JSON.parse(await readFile(join(folder, 'enrolment.json'), 'utf8')));

/** What an identity that cannot be read is told as. */
const notJoined = (stateDirectory: string, error: unknown): NotJoinedError => {
  const why =
    (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? 'has not joined a fleet'
      : `cannot read its identity (${error instanceof Error ? error.message : error})`;
  return new NotJoinedError(
    `This device ${why}. Join with: aviary-agent join --state-dir ${stateDirectory} --token TOKEN`,
  );
};

/** Reads who this device is, without its keys. @throws NotJoinedError */
export const loadEnrolment = async (stateDirectory: string): Promise<Enrolment> => {
  try {
    return await readEnrolment(await currentFolder(stateDirectory));
  } catch (error) {
    throw notJoined(stateDirectory, error);
  }
};

const WAYS_ON: Readonly<Record<SealLostError['loss'], string>> = {
  'other-tpm': 'On the board that has sealed them they open. To make this one the device',
  'pcrs-changed': 'With the firmware and settings of before they open. Otherwise',
};

/** Reads who this device is. @throws NotJoinedError; SealLostError and TpmUnavailableError when its keys are sealed */
export const loadIdentity = async (stateDirectory: string, tpm = new Tpm()): Promise<Identity> => {
  const enrolment = await loadEnrolment(stateDirectory);
  try {
    const folder = await currentFolder(stateDirectory);
    const keeping = await readKeeping(folder, tpm);
    const [credentials, fleetCa, ageIdentity] = await Promise.all([
      readCredentials(folder, keeping),
      readFile(join(folder, 'fleet-ca.crt'), 'utf8'),
      readAgeIdentity(folder, keeping),
    ]);
    return { ...enrolment, ...credentials, fleetCa, ageIdentity, keeping };
  } catch (error) {
    const { deviceId } = enrolment;
    const sealed = `The keys of this device (${deviceId}) are sealed by a TPM`;
    if (error instanceof TpmUnavailableError) throw new TpmUnavailableError(`${sealed}. ${error.message}`);
    if (error instanceof SealLostError) {
      const words = `${sealed}, and ${error.message}. ${WAYS_ON[error.loss]}, join again: aviary device enroll-token --device ${deviceId}, then aviary-agent join --state-dir ${stateDirectory} --token TOKEN`;
      throw new SealLostError(error.loss, words);
    }
    throw notJoined(stateDirectory, error);
  }
};
