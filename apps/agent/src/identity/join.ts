import { createHash, X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { DeviceFacts } from '@aviary/hardware';
import {
  ApiError,
  Backoff,
  deviceRoutes,
  type EnrollRequest,
  type EnrollResponse,
  type JoinToken,
} from '@aviary/protocol';
import { ageRecipientOf, generateAgeIdentity, openHeader } from '@aviary/release';
import { DeviceApi } from '../link/device-api.ts';
import { writeDurably } from '../state/durable-file.ts';
import { Tpm } from '../tpm/tpm.ts';
import { SealLostError, TpmUnavailableError } from '../tpm/tpm-error.ts';
import { writeAgeIdentity } from './age-key.ts';
import { CertificateRefusedError, checkCertificate, makeKey, requestFor, writeCredentials } from './credentials.ts';
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

const CONTACT_TIMEOUT_MS = 15_000;
/** Between two questions whether somebody has approved. */
const FIRST_PAUSE_MS = 4_000;
const LONGEST_PAUSE_MS = 30_000;

/** Joining did not succeed; nothing of it is left behind. */
export class JoinError extends Error {
  readonly code: 'already-joined' | 'server-unreachable' | 'server-not-trusted' | 'answer-refused';

  constructor(code: JoinError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Where to join, whom to trust there, and the secret of a join token; without one the key itself has to be let in. */
export type Invitation = Omit<JoinToken, 'secret'> & { readonly secret?: string };

/**
 * Asks the server for its fleet CA, in a handshake that sends nothing of ours, and keeps it only if it is the one that
 * the token names. Whoever else answers at this address is found out before it hears the secret: every request after
 * this trusts that CA and no other.
 */
const fetchFleetCa = (token: Invitation): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(token.url);
    const socket = connect({
      host: host.replace(/^\[|\]$/g, ''),
      port: Number(port),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer within ${CONTACT_TIMEOUT_MS / 1000} s`)),
      CONTACT_TIMEOUT_MS,
    );
    socket.on('error', ({ message }) => {
      clearTimeout(timer);
      const words = `The control plane at ${token.url} cannot be reached: ${message}. Check the address and the network.`;
      reject(new JoinError('server-unreachable', words));
    });
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      const fleetCa = [...chainOf(socket.getPeerX509Certificate())].find(
        ({ raw }) => createHash('sha256').update(raw).digest('hex') === token.caFingerprint,
      );
      socket.end();
      if (fleetCa !== undefined) return resolve(fleetCa.toString());
      const words = `The server at ${token.url} does not belong to the fleet of this token (its CA has another fingerprint). Do not join; ask whoever gave you the token.`;
      reject(new JoinError('server-not-trusted', words));
    });
  });

function* chainOf(leaf: X509Certificate | undefined): Generator<X509Certificate> {
  for (let one = leaf; one !== undefined; one = one.issuerCertificate) {
    yield one;
    // A root names itself as its issuer.
    if (one.issuerCertificate?.fingerprint256 === one.fingerprint256) return;
  }
}

/** What the server says is believed as far as it fits together: our key, the fleet's CA, the name it gives us. */
const checkAnswer = ({ certificate, deviceId, mqttUrl }: EnrollResponse, fleetCa: string, key: string): void => {
  try {
    checkCertificate({ certificate, key }, { deviceId, fleetCa });
  } catch (error) {
    if (error instanceof CertificateRefusedError) throw refused(error.message);
    throw error;
  }
  if (!mqttUrl.startsWith('mqtts://')) throw refused(`expected an mqtts:// address of the gateway, got ${mqttUrl}`);
};

const refused = (what: string): JoinError =>
  new JoinError('answer-refused', `The control plane's answer is refused: ${what}. Tell whoever runs it.`);

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
    const answer = await enroll(invitation, fleetCa, asking, ageIdentity, () => onPending?.(fingerprintOf(key)));
    checkAnswer(answer, fleetCa, key);
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

type Asking = Omit<EnrollRequest, 'proof'>;

/** Asks, with a proof that this board opens what is sealed to its recipient; again and again while it has to wait. */
const enroll = async (
  { url }: Invitation,
  fleetCa: string,
  asking: Asking,
  ageIdentity: string,
  onPending: () => void,
): Promise<EnrollResponse> => {
  // The CA is the one of the invitation: time has passed since it was made, whatever the clock says.
  const floor = new X509Certificate(fleetCa).validFromDate.getTime();
  const api = new DeviceApi(url, { fleetCa }, () => floor);
  const waiting = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  let told = false;
  try {
    for (;;) {
      try {
        return await enrollOnce(api, asking, ageIdentity);
      } catch (error) {
        const code = error instanceof ApiError ? error.code : undefined;
        const isPending = code === 'enrolment-pending';
        // Once it waits, nothing but an answer ends the waiting.
        const isPassing = told && !(error instanceof ApiError && [400, 403, 409].includes(error.problem.status));
        // Started again and again, it may come before its time.
        if (!isPending && !isPassing && code !== 'asked-too-soon') throw error;
        if (isPending && !told) {
          onPending();
          told = true;
        }
      }
      await pause(waiting.next());
    }
  } finally {
    api.close();
  }
};

const enrollOnce = async (api: DeviceApi, asking: Asking, ageIdentity: string): Promise<EnrollResponse> => {
  const { csr, recipient } = asking;
  const { header, salt, expiresAt } = await api.call(deviceRoutes.enrollChallenge, { body: { csr, recipient } });
  const answer = openHeader(Buffer.from(header, 'base64'), ageIdentity).toString('base64url');
  return api.call(deviceRoutes.enroll, { body: { ...asking, proof: { salt, expiresAt, answer } } });
};
