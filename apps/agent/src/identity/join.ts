import 'reflect-metadata';
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { DeviceFacts } from '@aviary/hardware';
import { deviceRoutes, type EnrollRequest, type EnrollResponse, type JoinToken } from '@aviary/protocol';
import { ageRecipientOf, generateAgeIdentity } from '@aviary/release';
import * as x509 from '@peculiar/x509';
import { DeviceApi } from '../link/device-api.ts';
import { syncDirectory } from '../state/durable-file.ts';
import { IDENTITY_FOLDER } from './identity.ts';

x509.cryptoProvider.set(crypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CONTACT_TIMEOUT_MS = 15_000;

/** Joining did not succeed; nothing of it is left behind. */
export class JoinError extends Error {
  readonly code: 'already-joined' | 'server-unreachable' | 'server-not-trusted' | 'answer-refused';

  constructor(code: JoinError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Asks the server for its fleet CA, in a handshake that sends nothing of ours, and keeps it only if it is the one that
 * the token names. Whoever else answers at this address is found out before it hears the secret: every request after
 * this trusts that CA and no other.
 */
const fetchFleetCa = (token: JoinToken): Promise<string> =>
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
  const parsed = readCertificate(certificate);
  if (!parsed.checkPrivateKey(createPrivateKey(key))) throw refused('its certificate is for another key than ours');
  if (!parsed.verify(new X509Certificate(fleetCa).publicKey)) {
    throw refused('its certificate is not signed by the fleet CA');
  }
  if (parsed.subject !== `CN=${deviceId}`) {
    throw refused(`its certificate names ${parsed.subject} instead of ${deviceId}`);
  }
  if (!mqttUrl.startsWith('mqtts://')) throw refused(`expected an mqtts:// address of the gateway, got ${mqttUrl}`);
};

const readCertificate = (pem: string): X509Certificate => {
  try {
    return new X509Certificate(pem);
  } catch {
    throw refused('its certificate cannot be read');
  }
};

const refused = (what: string): JoinError =>
  new JoinError('answer-refused', `The control plane's answer is refused: ${what}. Tell whoever runs it.`);

export interface JoinOptions {
  /** What people call the device; the host name, normally. */
  readonly name: string | undefined;
  readonly facts: DeviceFacts;
}

/**
 * Makes the device's keys, has the control plane name it, and keeps all of it, or nothing.
 * @param stateDirectory locked by the caller
 * @returns the device's id
 * @throws JoinError; ApiError with the control plane's reason, e.g. a token that was used; what the disk throws
 */
export const joinFleet = async (
  stateDirectory: string,
  token: JoinToken,
  { name, facts }: JoinOptions,
): Promise<string> => {
  const folder = join(stateDirectory, IDENTITY_FOLDER);
  if ((await stat(folder).catch(() => undefined)) !== undefined) {
    const words = `This device has joined already (${folder} exists). To join anew, move that folder away first.`;
    throw new JoinError('already-joined', words);
  }
  for (const left of await readdir(stateDirectory)) {
    if (left.startsWith(`${IDENTITY_FOLDER}.`)) await rm(join(stateDirectory, left), { recursive: true, force: true });
  }
  const draft = `${folder}.${process.pid}`;
  const write = (file: string, content: string) => writeFile(join(draft, file), content, { mode: 0o600, flush: true });
  try {
    const fleetCa = await fetchFleetCa(token);
    const { key, request } = await makeKey();
    const ageIdentity = generateAgeIdentity();
    // Written before the token is spent: a disk that takes nothing must not cost it.
    await mkdir(draft, { mode: 0o700 });
    await write('device.key', key);
    await write('age.key', `${ageIdentity}\n`);
    await write('fleet-ca.crt', fleetCa);
    const body = { secret: token.secret, csr: request, recipient: ageRecipientOf(ageIdentity) };
    const answer = await enroll(token, fleetCa, { ...body, name: name ?? hostname(), facts });
    checkAnswer(answer, fleetCa, key);
    const { certificate, fleetCa: _, ...enrolment } = answer;
    await write('device.crt', certificate);
    await write('enrolment.json', JSON.stringify({ ...enrolment, deviceUrl: token.url }, null, 2));
    await syncDirectory(draft);
    await rename(draft, folder);
    await syncDirectory(stateDirectory);
    return answer.deviceId;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
};

const makeKey = async (): Promise<{ key: string; request: string }> => {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=joining',
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' });
  return { key: key.toString(), request: request.toString('pem') };
};

const enroll = async ({ url }: JoinToken, fleetCa: string, body: EnrollRequest): Promise<EnrollResponse> => {
  const api = new DeviceApi(url, { fleetCa });
  try {
    return await api.call(deviceRoutes.enroll, { body });
  } finally {
    api.close();
  }
};
