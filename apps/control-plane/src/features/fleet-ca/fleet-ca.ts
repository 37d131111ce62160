import { createHash, createPrivateKey, randomBytes, type webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { badRequest } from '../../infra/problem.ts';
import type { SecretStore } from '../../infra/secret-store.ts';

x509.cryptoProvider.set(crypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_S = 86_400;
const CA_SECONDS = 3650 * DAY_S;
const SERVER_SECONDS = 365 * DAY_S;
/** Its key lives in the memory of one process, and each connection gets a new one. */
const GATEWAY_SECONDS = 7 * DAY_S;
/** Every gateway is called so. The dot keeps it apart from every device id. */
export const GATEWAY_NAME = 'aviary.gateway';
/** Certificates begin a little earlier, for boards whose clock is a little behind. */
const BACKDATE_S = 3600;

export interface TlsIdentity {
  readonly key: string;
  /** Leaf, then the fleet CA, so that a joining device can compare the CA's fingerprint. */
  readonly cert: string;
  readonly ca: string;
}

export interface DeviceCertificate {
  readonly pem: string;
  /** SHA-256 over the DER, hex. */
  readonly fingerprint: string;
  readonly expiresAt: Date;
}

const serialNumber = (): string => {
  const bytes = randomBytes(16);
  // A positive number without leading zeros, as DER wants it (RFC 5280, 4.1.2.2).
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
};

const exportKey = async (key: webcrypto.CryptoKey): Promise<Buffer> =>
  Buffer.from(await crypto.subtle.exportKey('pkcs8', key));

const validity = (now: Date, seconds: number) => ({
  notBefore: new Date(now.getTime() - Math.min(BACKDATE_S, seconds / 10) * 1000),
  notAfter: new Date(now.getTime() + seconds * 1000),
});

/** A request that is signed with its own key. @throws ProblemError `csr-invalid` */
const provenRequest = async (csrPem: string): Promise<x509.Pkcs10CertificateRequest> => {
  const wanted = 'Expected a PKCS#10 request in PEM with a P-256 key, signed by that key';
  let request: x509.Pkcs10CertificateRequest;
  try {
    request = new x509.Pkcs10CertificateRequest(csrPem);
  } catch {
    throw badRequest('csr-invalid', `${wanted}; this does not parse. Make a new one.`);
  }
  const algorithm = request.publicKey.algorithm as { name?: string; namedCurve?: string };
  if (algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256') {
    throw badRequest('csr-invalid', `${wanted}; got ${algorithm.name} ${algorithm.namedCurve ?? ''}.`);
  }
  if (!(await request.verify())) {
    throw badRequest('csr-invalid', `${wanted}; its signature does not verify.`);
  }
  return request;
};

/**
 * A certificate authority, made at the first start. That of the fleet names devices and the servers that they talk to;
 * that of the gateways names the clients by which an external broker knows gateways, on a port where no certificate of
 * a device lets anybody in.
 */
export class FleetCa {
  private constructor(
    private readonly certificate: x509.X509Certificate,
    private readonly key: webcrypto.CryptoKey,
    private readonly deviceSeconds: number,
  ) {}

  /** @param deviceSeconds how long a device's certificate is valid */
  static async open(
    secrets: SecretStore,
    of: 'fleet' | 'gateway' = 'fleet',
    deviceSeconds = 30 * DAY_S,
  ): Promise<FleetCa> {
    const stored = await secrets.getOrCreate(`${of}-ca`, async () => {
      const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const made = await x509.X509CertificateGenerator.createSelfSigned({
        serialNumber: serialNumber(),
        name: `CN=Aviary ${of} CA`,
        ...validity(new Date(), CA_SECONDS),
        signingAlgorithm: ALGORITHM,
        keys,
        extensions: [
          new x509.BasicConstraintsExtension(true, 0, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return { secret: await exportKey(keys.privateKey), publicPart: made.toString('pem') };
    });
    const key = await crypto.subtle.importKey('pkcs8', new Uint8Array(stored.secret), ALGORITHM, true, ['sign']);
    return new FleetCa(new x509.X509Certificate(stored.publicPart), key, deviceSeconds);
  }

  get pem(): string {
    return `${this.certificate.toString('pem')}\n`;
  }

  /** SHA-256 over the CA certificate's DER, hex: what a join token carries. */
  get fingerprint(): string {
    return createHash('sha256').update(Buffer.from(this.certificate.rawData)).digest('hex');
  }

  /** A fresh identity for one of our own servers, under the names by which devices reach it. */
  async issueServer(hosts: readonly string[]): Promise<TlsIdentity> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const leaf = await this.nameServer(keys.publicKey, [...hosts, 'localhost', '127.0.0.1']);
    return this.identityOf(keys.privateKey, leaf);
  }

  /** A fresh identity with which a gateway comes to a broker that is not its own. */
  async issueGateway(): Promise<TlsIdentity> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const leaf = await this.issue(keys.publicKey, `CN=${GATEWAY_NAME}`, GATEWAY_SECONDS, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
    ]);
    return this.identityOf(keys.privateKey, leaf);
  }

  /**
   * Names a server whose key was made elsewhere.
   * @returns leaf, then this authority, in PEM
   * @throws ProblemError `csr-invalid`
   */
  async certifyServer(csrPem: string, hosts: readonly string[]): Promise<{ chain: string; expiresAt: Date }> {
    const leaf = await this.nameServer(await (await provenRequest(csrPem)).publicKey.export(), hosts);
    return { chain: `${leaf.toString('pem')}\n${this.pem}`, expiresAt: leaf.notAfter };
  }

  /**
   * Checks that whoever made a request holds its key.
   * @returns SHA-256 over the key's SubjectPublicKeyInfo, hex
   * @throws ProblemError `csr-invalid`
   */
  async keyOf(csrPem: string): Promise<string> {
    const request = await provenRequest(csrPem);
    return createHash('sha256').update(Buffer.from(request.publicKey.rawData)).digest('hex');
  }

  /**
   * Names a device. Of the request only the key is used (proved by its signature); subject and extensions are ours.
   * @param seconds until it expires
   * @throws ProblemError `csr-invalid`
   */
  async issueDevice(csrPem: string, deviceId: string, seconds = this.deviceSeconds): Promise<DeviceCertificate> {
    const { publicKey } = await provenRequest(csrPem);
    const leaf = await this.issue(await publicKey.export(), `CN=${deviceId}`, seconds, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `urn:aviary:device:${deviceId}` }]),
    ]);
    return {
      pem: `${leaf.toString('pem')}\n`,
      fingerprint: new X509Certificate(leaf.toString('pem')).fingerprint256.replaceAll(':', '').toLowerCase(),
      expiresAt: leaf.notAfter,
    };
  }

  private nameServer(publicKey: webcrypto.CryptoKey, hosts: readonly string[]): Promise<x509.X509Certificate> {
    const names = [...new Set(hosts)];
    return this.issue(publicKey, `CN=${names[0] ?? 'localhost'}`, SERVER_SECONDS, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
      ),
    ]);
  }

  private async identityOf(privateKey: webcrypto.CryptoKey, leaf: x509.X509Certificate): Promise<TlsIdentity> {
    const key = createPrivateKey({ key: await exportKey(privateKey), format: 'der', type: 'pkcs8' });
    return {
      key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
      cert: `${leaf.toString('pem')}\n${this.pem}`,
      ca: this.pem,
    };
  }

  private async issue(
    publicKey: webcrypto.CryptoKey,
    subject: string,
    seconds: number,
    extensions: x509.Extension[],
  ): Promise<x509.X509Certificate> {
    return x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject,
      issuer: this.certificate.subject,
      ...validity(new Date(), seconds),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: this.key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(this.certificate),
        ...extensions,
      ],
    });
  }
}
