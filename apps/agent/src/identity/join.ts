import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { DeviceFacts } from '@aviary/hardware';
import { ageRecipientOf, generateAgeIdentity } from '@aviary/release';
import { writeDurably } from '../state/durable-file.ts';
import { Tpm } from '../tpm/tpm.ts';
import { SealLostError, TpmUnavailableError } from '../tpm/tpm-error.ts';
import { writeAgeIdentity } from './age-key.ts';
import { makeKey, requestFor, writeCredentials } from './credentials.ts';
import { type Asking, enroll, fetchFleetCa, type Invitation, JoinError } from './enroll.ts';
import {
  type Enrolment,
  IDENTITY_FOLDER,
  type Identity,
  loadEnrolment,
  loadIdentity,
  replaceIdentity,
  settleIdentity,
} from './identity.ts';
import { makeKeeping, readSeal, writeKeeping } from './key-keeping.ts';
import {
  type BoardKeys,
  fingerprintOf,
  type KeyOptions,
  makeBoardKeys,
  prepareKeys,
  readPreparedKeys,
} from './prepared-keys.ts';

export interface JoinOptions extends KeyOptions {
  /** What people call the device; the host name, normally. */
  readonly name: string | undefined;
  readonly facts: DeviceFacts;
  /** Model lines whose releases the device takes; absent: any, or those that it took before. */
  readonly models?: readonly string[] | undefined;
  /** The key waits for a person's approval; called once. */
  readonly onPending?: (fingerprint: string) => void;
}

/** A device that joins again: who it is, and what it keeps. */
interface Returning extends Pick<Identity, 'deviceId' | 'models' | 'ageSince' | 'ageIdentity'> {
  /** How its keys are kept; absent: those before do not open any more, and new ones are sealed to these PCRs. */
  readonly keeping?: Identity['keeping'];
  readonly pcrs?: string | null;
}

/** Who this board is already, when it is a device. @throws JoinError when there is no way on from there */
const currentIdentity = async (
  stateDirectory: string,
  { secret }: Pick<Invitation, 'secret'>,
  tpm: Tpm,
): Promise<Returning | undefined> => {
  await settleIdentity(stateDirectory);
  const folder = join(stateDirectory, IDENTITY_FOLDER);
  if ((await stat(folder).catch(() => undefined)) === undefined) return undefined;
  try {
    const { deviceId, models } = await loadEnrolment(stateDirectory);
    if (secret === undefined) throw alreadyJoined(deviceId, folder);
    return await loadIdentity(stateDirectory, tpm).catch(async (error: unknown) => {
      if (!(error instanceof SealLostError)) throw error;
      const lines = models === undefined ? {} : { models };
      const pcrs = (await readSeal(folder))?.pcrs ?? null;
      return { deviceId, ...lines, ageIdentity: generateAgeIdentity(), pcrs };
    });
  } catch (error) {
    if (error instanceof JoinError) throw error;
    const way = 'To join all the same, move that folder away first.';
    if (error instanceof TpmUnavailableError) throw new TpmUnavailableError(`${error.message} ${way} (${folder})`);
    const why = error instanceof Error ? error.message : error;
    throw new JoinError('already-joined', `There is an identity in ${folder} that is damaged: ${why} ${way}`);
  }
};

const alreadyJoined = (deviceId: string, folder: string): JoinError => {
  const words = `This board has joined already, as device ${deviceId} (${folder}). To join again as the same device: aviary device enroll-token --device ${deviceId}, then aviary-agent join --token TOKEN. To become another device, move that folder away first.`;
  return new JoinError('already-joined', words);
};

/** @throws JoinError */
export const demandNoIdentity = async (stateDirectory: string): Promise<void> => {
  await currentIdentity(stateDirectory, {}, new Tpm());
};

/** A new key for each identity; what was sealed to the device before, it goes on opening. */
const boardKeysFor = async (
  stateDirectory: string,
  { secret }: Invitation,
  current: Returning | undefined,
  { tpm = new Tpm(), sealing }: KeyOptions,
): Promise<BoardKeys> => {
  if (current !== undefined) {
    const { ageIdentity, keeping, pcrs = null } = current;
    const isKept = sealing === undefined && keeping !== undefined;
    return {
      key: await makeKey(),
      ageIdentity,
      keeping: isKept ? keeping : await makeKeeping(tpm, (sealing ?? { pcrs }).pcrs),
    };
  }
  const prepared =
    secret === undefined
      ? await prepareKeys(stateDirectory, { tpm, sealing })
      : await readPreparedKeys(stateDirectory, tpm);
  const isOpen = sealing !== undefined && prepared?.keeping.seal === undefined;
  if (prepared === undefined || isOpen) return makeBoardKeys({ tpm, sealing });
  const isAsAsked = sealing === undefined || prepared.keeping.seal?.pcrs === sealing.pcrs;
  return isAsAsked ? prepared : { ...prepared, keeping: await makeKeeping(tpm, sealing.pcrs) };
};

/**
 * Makes the device's keys, has the control plane name it, and keeps all of it, or nothing. A board that is a device
 * already joins again as the same one, with a token for it: it keeps its journal and its releases, and keeps its keys as
 * before. Without a token it waits until its key was approved.
 * @param stateDirectory locked by the caller
 * @returns the device's id
 * @throws JoinError; ApiError with the control plane's reason, e.g. a token that was used; what the disk throws; with keys
 *   that are sealed TpmUnavailableError, PcrSelectionError, KeysNotSealedError
 */
export const joinFleet = async (
  stateDirectory: string,
  invitation: Invitation,
  { name, facts, models, onPending, tpm = new Tpm(), sealing }: JoinOptions,
): Promise<string> => {
  const current = await currentIdentity(stateDirectory, invitation, tpm);
  const fleetCa = await fetchFleetCa(invitation);
  const { key, ageIdentity, keeping } = await boardKeysFor(stateDirectory, invitation, current, { tpm, sealing });
  return replaceIdentity(stateDirectory, async (draft) => {
    // Written before the token is spent: a disk that takes nothing must not cost it.
    await writeKeeping(draft, keeping);
    await writeCredentials(draft, { key, certificate: '' }, keeping);
    await writeAgeIdentity(draft, ageIdentity, keeping);
    await writeDurably(join(draft, 'fleet-ca.crt'), fleetCa);
    const asking: Asking = {
      ...(invitation.secret === undefined ? {} : { secret: invitation.secret }),
      ...(current === undefined ? {} : { deviceId: current.deviceId }),
      csr: await requestFor(key),
      recipient: ageRecipientOf(ageIdentity),
      name: name ?? hostname(),
      facts,
    };
    const keys = { key, ageIdentity };
    const answer = await enroll(invitation, { fleetCa }, asking, keys, () => onPending?.(fingerprintOf(key)));
    const { certificate, fleetCa: _, ...enrolment } = answer;
    await writeCredentials(draft, { key, certificate }, keeping);
    const lines = models ?? current?.models;
    const ageSince = current?.keeping === undefined ? enrolment.epoch : current.ageSince;
    const kept: Enrolment = {
      ...enrolment,
      deviceUrl: invitation.url,
      ...(lines === undefined ? {} : { models: [...lines] }),
      ...(ageSince === undefined ? {} : { ageSince }),
    };
    await writeDurably(join(draft, 'enrolment.json'), JSON.stringify(kept, null, 2));
    return answer.deviceId;
  });
};
