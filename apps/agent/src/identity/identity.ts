import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { syncDirectory } from '../state/durable-file.ts';
import { type Credentials, readCredentials } from './credentials.ts';

/** The device has not joined a fleet, or what it kept of it is damaged. */
export class NotJoinedError extends Error {
  readonly code = 'not-joined';
}

export const IDENTITY_FOLDER = 'identity';

export const enrolmentSchema = z.object({
  deviceId: z.string(),
  epoch: z.number().int().positive(),
  deviceUrl: z.string(),
  mqttUrl: z.string(),
  /** Root metadata (TUF) of the image repository, pinned when the device joined. */
  root: z.string(),
  /** Model lines whose releases this device takes, as its owner has said here; absent: any. */
  models: z.array(z.string()).exactOptional(),
});

export interface Identity extends z.infer<typeof enrolmentSchema>, Credentials {
  readonly fleetCa: string;
  /** `AGE-SECRET-KEY-1…`; opens the releases that are sealed to this device. */
  readonly ageIdentity: string;
}

/** An identity that is complete, and about to take its place. */
export const NEXT_FOLDER = `${IDENTITY_FOLDER}.next`;
const BEFORE_FOLDER = `${IDENTITY_FOLDER}.before`;

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Lets an identity that is complete take its place; one that a power cut has stopped on its way there, too. A folder
 * cannot be replaced in one step: at each moment one of the two is there, whole.
 * @param stateDirectory locked by the caller
 */
export const settleIdentity = async (stateDirectory: string): Promise<void> => {
  const [folder, next, before] = [IDENTITY_FOLDER, NEXT_FOLDER, BEFORE_FOLDER].map((name) =>
    join(stateDirectory, name),
  );
  if (folder === undefined || next === undefined || before === undefined || !(await exists(next))) return;
  if (await exists(folder)) {
    await rm(before, { recursive: true, force: true });
    await rename(folder, before);
  }
  await rename(next, folder);
  await syncDirectory(stateDirectory);
  await rm(before, { recursive: true, force: true });
};

const readFrom = async (folder: string): Promise<Identity> => {
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const [enrolment, credentials, fleetCa, ageIdentity] = await Promise.all([
    read('enrolment.json'),
    readCredentials(folder),
    read('fleet-ca.crt'),
    read('age.key'),
  ]);
  return {
    ...enrolmentSchema.parse(JSON.parse(enrolment)),
    ...credentials,
    fleetCa,
    ageIdentity: ageIdentity.trim(),
  };
};

/** Reads who this device is. @throws NotJoinedError */
export const loadIdentity = async (stateDirectory: string): Promise<Identity> => {
  try {
    const folder = join(stateDirectory, IDENTITY_FOLDER);
    return await readFrom((await exists(folder)) ? folder : join(stateDirectory, NEXT_FOLDER));
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'has not joined a fleet'
        : `cannot read its identity (${error instanceof Error ? error.message : error})`;
    throw new NotJoinedError(
      `This device ${why}. Join with: aviary-agent join --state-dir ${stateDirectory} --token TOKEN`,
    );
  }
};
