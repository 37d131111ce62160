import 'reflect-metadata';
import { createPrivateKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(crypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CLIENT = [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])];
const YEAR_MS = 365 * 86_400_000;

export interface KeyPair {
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
}

export interface TestPki {
  /** PEM. */
  readonly fleetCa: string;
  readonly server: KeyPair;
  readonly device: KeyPair;
  /** A certificate for the key of a request, under a name. */
  readonly certify: (csr: string, name: string) => Promise<string>;
}

/** A fleet's certificates as its control plane makes them: a CA, a server on 127.0.0.1, and a device. */
export const makePki = async (deviceId: string): Promise<TestPki> => {
  const caKeys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=test fleet CA',
    ...validity(),
    keys: caKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const sign = async (publicKey: x509.PublicKeyType, name: string, extensions: x509.Extension[]): Promise<string> => {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: '02',
      subject: name,
      issuer: ca.subject,
      ...validity(),
      publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    });
    return certificate.toString('pem');
  };
  const issue = async (name: string, extensions: x509.Extension[]): Promise<KeyPair> => {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' });
    return { key: key.toString(), certificate: await sign(keys.publicKey, name, extensions) };
  };
  return {
    fleetCa: ca.toString('pem'),
    server: await issue('CN=gateway', [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])]),
    device: await issue(`CN=${deviceId}`, CLIENT),
    certify: async (csr, name) => {
      const request = new x509.Pkcs10CertificateRequest(csr);
      if (!(await request.verify())) throw new Error('the request is not signed with its own key');
      return sign(request.publicKey, name, CLIENT);
    },
  };
};

const validity = () => ({ notBefore: new Date(Date.now() - YEAR_MS), notAfter: new Date(Date.now() + YEAR_MS) });
