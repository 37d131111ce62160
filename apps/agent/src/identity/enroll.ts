import { createHash, X509Certificate } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import {
  ApiError,
  Backoff,
  deviceRoutes,
  type EnrollRequest,
  type EnrollResponse,
  type JoinToken,
} from '@aviary/protocol';
import { openHeader } from '@aviary/release';
import { DeviceApi } from '../link/device-api.ts';
import type { LinkCredentials } from '../link/server-trust.ts';
import { CertificateRefusedError, checkCertificate } from './credentials.ts';
import type { BoardKeys } from './prepared-keys.ts';

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
export const fetchFleetCa = (token: Invitation): Promise<string> =>
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

/** What a board says of itself when it asks to be a device. */
export type Asking = Omit<EnrollRequest, 'proof'>;

/** The keys with which it asks. */
type AskingKeys = Pick<BoardKeys, 'key' | 'ageIdentity'>;

/**
 * Asks, with a proof that this board opens what is sealed to its recipient; again and again while it has to wait.
 * @param trust what TLS makes of it is there once for all that ask with the same object
 * @param onPending a person has to approve; called once
 * @throws JoinError `answer-refused`; ApiError with the control plane's reason
 */
export const enroll = async (
  { url }: Invitation,
  trust: Pick<LinkCredentials, 'fleetCa'>,
  asking: Asking,
  { key, ageIdentity }: AskingKeys,
  onPending: () => void,
): Promise<EnrollResponse> => {
  // The CA is the one of the invitation: time has passed since it was made, whatever the clock says.
  const floor = new X509Certificate(trust.fleetCa).validFromDate.getTime();
  const api = new DeviceApi(url, trust, () => floor);
  const waiting = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  let told = false;
  try {
    for (;;) {
      try {
        const answer = await enrollOnce(api, asking, ageIdentity);
        checkAnswer(answer, trust.fleetCa, key);
        return answer;
      } catch (error) {
        const code = error instanceof ApiError ? error.code : undefined;
        const isPending = code === 'enrolment-pending';
        // Once it waits, nothing but an answer ends the waiting.
        const isPassing =
          told &&
          !(error instanceof JoinError) &&
          !(error instanceof ApiError && [400, 403, 409].includes(error.problem.status));
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
