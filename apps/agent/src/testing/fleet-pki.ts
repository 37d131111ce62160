import 'reflect-metadata';
import { createPrivateKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(crypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const SERVER = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]);
const CLIENT = [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])];
const YEAR_MS = 365 * 86_400_000;

export interface KeyPair {
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
}

/** A server's certificate, as far as it is not the usual one. */
export interface ServerOptions {
  /** Milliseconds since 1970. */
  readonly from?: number;
  readonly to?: number;
  /** The address that it names. */
  readonly address?: string;
}

export interface TestPki {
  /** PEM. */
  readonly fleetCa: string;
  readonly server: KeyPair;
  readonly device: KeyPair;
  /** What the device has next: another key and certificate under its name. */
  readonly renewedDevice: () => Promise<KeyPair>;
  /** Another server of the fleet. */
  readonly serve: (options: ServerOptions) => Promise<KeyPair>;
  /** A server that nobody has signed. */
  readonly selfSigned: () => Promise<KeyPair>;
  /** A certificate for the key of a request, under a name. */
  readonly certify: (csr: string, name: string) => Promise<string>;
}

/**
 * A fleet's certificates as its control plane makes them: a CA, a server on 127.0.0.1, and a device.
 * @param caLife of the CA and its server
 */
export const makePki = async (deviceId: string, caLife: Life = {}): Promise<TestPki> => {
  const caKeys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=test fleet CA',
    ...validity(caLife),
    keys: caKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  const sign = async (
    publicKey: x509.PublicKeyType,
    name: string,
    extensions: x509.Extension[],
    life: Life = {},
    signingKey = caKeys.privateKey,
  ): Promise<string> => {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: '02',
      subject: name,
      issuer: ca.subject,
      ...validity(life),
      publicKey,
      signingKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    });
    return certificate.toString('pem');
  };
  const issue = async (
    name: string,
    extensions: x509.Extension[],
    life: Life = {},
    bySelf = false,
  ): Promise<KeyPair> => {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' });
    return {
      key: key.toString(),
      certificate: await sign(keys.publicKey, name, extensions, life, bySelf ? keys.privateKey : undefined),
    };
  };
  const serve = ({ address = '127.0.0.1', ...life }: ServerOptions = {}, bySelf = false) => {
    const names = new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: address }]);
    return issue('CN=gateway', [SERVER, names], life, bySelf);
  };
  return {
    fleetCa: ca.toString('pem'),
    server: await serve(caLife),
    device: await issue(`CN=${deviceId}`, CLIENT),
    renewedDevice: () => issue(`CN=${deviceId}`, CLIENT),
    serve,
    selfSigned: () => serve({}, true),
    certify: async (csr, name) => {
      const request = new x509.Pkcs10CertificateRequest(csr);
      if (!(await request.verify())) throw new Error('the request is not signed with its own key');
      return sign(request.publicKey, name, CLIENT);
    },
  };
};

type Life = Pick<ServerOptions, 'from' | 'to'>;

const validity = ({ from = Date.now() - YEAR_MS, to = Date.now() + YEAR_MS }: Life = {}) => ({
  notBefore: new Date(from),
  notAfter: new Date(to),
});
