import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

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
});

export interface Identity extends z.infer<typeof enrolmentSchema> {
  /** PEM; never leaves the device. */
  readonly key: string;
  readonly certificate: string;
  readonly fleetCa: string;
  /** `AGE-SECRET-KEY-1…`; opens the releases that are sealed to this device. */
  readonly ageIdentity: string;
}

/** Reads who this device is. @throws NotJoinedError */
export const loadIdentity = async (stateDirectory: string): Promise<Identity> => {
  const read = (name: string) => readFile(join(stateDirectory, IDENTITY_FOLDER, name), 'utf8');
  try {
    const [enrolment, key, certificate, fleetCa, ageIdentity] = await Promise.all([
      read('enrolment.json'),
      read('device.key'),
      read('device.crt'),
      read('fleet-ca.crt'),
      read('age.key'),
    ]);
    return {
      ...enrolmentSchema.parse(JSON.parse(enrolment)),
      key,
      certificate,
      fleetCa,
      ageIdentity: ageIdentity.trim(),
    };
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
