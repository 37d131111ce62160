import 'reflect-metadata';
import { createHash, createPrivateKey } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { DeviceFacts } from '@aviary/hardware';
import { deviceRoutes, type EnrollResponse, type JoinToken } from '@aviary/protocol';
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
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Asks the server for its fleet CA, in a handshake that sends nothing of ours, and keeps it only if it is the one that
 * the token names. Whoever else answers at this address is found out before it hears the secret.
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
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(
        new JoinError(
          'server-unreachable',
          `The control plane at ${token.url} cannot be reached: ${error.message}. Check the address and the network.`,
        ),
      );
    });
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      let certificate = socket.getPeerCertificate(true);
      const seen = new Set<string>();
      socket.end();
      while (certificate?.raw !== undefined && !seen.has(certificate.fingerprint256)) {
        seen.add(certificate.fingerprint256);
        if (createHash('sha256').update(certificate.raw).digest('hex') === token.caFingerprint) {
          const body = certificate.raw
            .toString('base64')
            .match(/.{1,64}/g)
            ?.join('\n');
          resolve(`-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`);
          return;
        }
        certificate = certificate.issuerCertificate;
      }
      reject(
        new JoinError(
          'server-not-trusted',
          `The server at ${token.url} does not belong to the fleet of this token (its CA has another fingerprint). Do not join; ask whoever gave you the token.`,
        ),
      );
    });
  });

/** Makes the device's keys, has the control plane name it, and keeps all of it, or nothing. @returns the device's id */
export const joinFleet = async (
  stateDirectory: string,
  token: JoinToken,
  options: { name?: string | undefined; facts: DeviceFacts },
): Promise<string> => {
  const folder = join(stateDirectory, IDENTITY_FOLDER);
  if ((await stat(folder).catch(() => undefined)) !== undefined) {
    throw new JoinError(
      'already-joined',
      `This device has joined already (${folder} exists). To join anew, move that folder away first.`,
    );
  }
  const fleetCa = await fetchFleetCa(token);
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=joining',
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const ageIdentity = generateAgeIdentity();
  const api = new DeviceApi(token.url, { fleetCa });
  const answer: EnrollResponse = await api.call(deviceRoutes.enroll, {
    body: {
      secret: token.secret,
      csr: request.toString('pem'),
      recipient: ageRecipientOf(ageIdentity),
      name: options.name ?? hostname(),
      facts: options.facts,
    },
  });
  api.close();
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' });
  const { certificate, fleetCa: _, ...enrolment } = answer;
  const draft = `${folder}.${process.pid}`;
  try {
    await mkdir(draft, { recursive: true, mode: 0o700 });
    const write = (name: string, content: string) =>
      writeFile(join(draft, name), content, { mode: 0o600, flush: true });
    await write('device.key', key.toString());
    await write('device.crt', certificate);
    await write('fleet-ca.crt', fleetCa);
    await write('age.key', `${ageIdentity}\n`);
    await write('enrolment.json', JSON.stringify({ ...enrolment, deviceUrl: token.url }, null, 2));
    await syncDirectory(draft);
    await rename(draft, folder);
    await syncDirectory(stateDirectory);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  return answer.deviceId;
};
