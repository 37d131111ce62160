import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../state/durable-file.ts';
import type { KeyKeeping } from './key-keeping.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const FILE = 'device.pem';

/** With what the device proves who it is. */
export interface Credentials {
  /** PEM; never leaves the device. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

/** A certificate that cannot be ours. */
export class CertificateRefusedError extends Error {
  readonly code = 'certificate-refused';
}

const blockOf = (pem: string, name: string): string => {
  const block = new RegExp(`-----BEGIN ${name}-----[^-]+-----END ${name}-----`).exec(pem)?.[0];
  if (block === undefined) throw new Error(`expected a ${name} in ${FILE}`);
  return `${block}\n`;
};

/**
 * Reads key and certificate: the one place where the key comes from.
 * @throws what the disk throws; Error for a damaged file, or one that is kept in another way
 */
export const readCredentials = async (folder: string, keeping: KeyKeeping): Promise<Credentials> => {
  const pem = await readFile(join(folder, FILE), 'utf8');
  return {
    key: blockOf(keeping.disclose(pem, 'device key'), 'PRIVATE KEY'),
    certificate: blockOf(pem, 'CERTIFICATE'),
  };
};

/** Keeps key and certificate in one file: after a power cut they are the old ones, or the new ones, and belong together. */
export const writeCredentials = (
  folder: string,
  { certificate, key }: Credentials,
  keeping: KeyKeeping,
): Promise<void> => {
  const kept = keeping.enclose(`${key.trimEnd()}\n`, 'device key');
  return writeDurably(join(folder, FILE), `${certificate.trimEnd()}\n${kept}`);
};

/** Makes a P-256 key. @returns PKCS#8 in PEM */
export const makeKey = async (): Promise<string> => {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
};

/** Asks for a certificate for this key: PKCS#10 in PEM. Its subject says nothing; the control plane gives the name. */
export const requestFor = async (key: string): Promise<string> => {
  const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  const privateKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(pkcs8), ALGORITHM, true, ['sign']);
  const { d: _, key_ops: __, ...jwk } = await crypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await crypto.subtle.importKey('jwk', jwk, ALGORITHM, true, ['verify']);
  // Needed seldom, and slow to load.
  await import('reflect-metadata');
  const { cryptoProvider, Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509');
  cryptoProvider.set(crypto);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=joining',
    keys: { privateKey, publicKey },
    signingAlgorithm: ALGORITHM,
  });
  return request.toString('pem');
};

/**
 * A certificate that came from outside is ours when it is for our key, signed by the fleet CA, and names us.
 * @throws CertificateRefusedError saying which of it is not so
 */
export const checkCertificate = (
  { certificate, key }: Credentials,
  { deviceId, fleetCa }: { readonly deviceId: string; readonly fleetCa: string },
): void => {
  const parsed = parseCertificate(certificate);
  if (parsed === undefined) throw new CertificateRefusedError('its certificate cannot be read');
  if (!parsed.checkPrivateKey(createPrivateKey(key))) {
    throw new CertificateRefusedError('its certificate is for another key than ours');
  }
  if (!parsed.verify(new X509Certificate(fleetCa).publicKey)) {
    throw new CertificateRefusedError('its certificate is not signed by the fleet CA');
  }
  if (parsed.subject !== `CN=${deviceId}`) {
    throw new CertificateRefusedError(`its certificate names ${parsed.subject} instead of ${deviceId}`);
  }
};

const parseCertificate = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
};

/** When a certificate begins and ends, in ms since 1970; undefined for one that cannot be read. */
export const validityOf = (certificate: string): { readonly from: number; readonly to: number } | undefined => {
  const parsed = parseCertificate(certificate);
  return parsed && { from: parsed.validFromDate.getTime(), to: parsed.validToDate.getTime() };
};
