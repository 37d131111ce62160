import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';

/** `id-kp-serverAuth` (RFC 5280, 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** Whoever answers is not a server of this fleet. */
export class ServerNotTrustedError extends Error {
  readonly code = 'server-not-trusted';
}

export interface ServerAddress {
  /** Name or address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Whom the device trusts, and with what it shows itself. All PEM. */
export interface LinkCredentials {
  readonly fleetCa: string;
  readonly key?: string;
  readonly certificate?: string;
}

const contexts = new WeakMap<LinkCredentials, SecureContext>();

/**
 * What TLS makes of credentials, once for all connections with the same object: it takes half a millisecond and 50 kB
 * outside of the heap, which the garbage collector does not see.
 * @throws what OpenSSL says of a key or a certificate that is none
 */
export const secureContextOf = (credentials: LinkCredentials): SecureContext => {
  const known = contexts.get(credentials);
  if (known !== undefined) return known;
  const { fleetCa, key, certificate } = credentials;
  const context = createSecureContext({
    ca: fleetCa,
    ...(key === undefined ? {} : { key }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    minVersion: 'TLSv1.3',
  });
  contexts.set(credentials, context);
  return context;
};

/**
 * Checks a server's certificate against a time that is known to have passed, where the clock is behind it and says
 * nothing. That the fleet CA has signed the certificate proves that its beginning has passed, too; what had ended by then
 * has ended. Everything else is as TLS checks it: issuer, purpose, name.
 * @param floor ms since 1970
 * @throws ServerNotTrustedError
 */
export const checkServerAt = (
  certificate: X509Certificate | undefined,
  { host, fleetCa, floor }: { readonly host: string; readonly fleetCa: string; readonly floor: number },
): void => {
  const refuse = (what: string): ServerNotTrustedError =>
    new ServerNotTrustedError(`The server ${host} is not trusted: ${what}.`);
  if (certificate === undefined) throw refuse('it has shown no certificate');
  const ca = new X509Certificate(fleetCa);
  if (!ca.ca || !certificate.checkIssued(ca) || !certificate.verify(ca.publicKey)) {
    throw refuse('its certificate is not signed by the fleet CA');
  }
  const at = Math.max(floor, certificate.validFromDate.getTime(), ca.validFromDate.getTime());
  for (const [whose, { validToDate }] of [
    ['its certificate', certificate],
    ['the fleet CA', ca],
  ] as const) {
    if (validToDate.getTime() <= at) {
      throw refuse(
        `${whose} has expired on ${validToDate.toISOString()}, and it is ${new Date(at).toISOString()} at least`,
      );
    }
  }
  if (certificate.keyUsage?.includes(SERVER_AUTH) !== true) throw refuse('its certificate is not that of a server');
  const wrongName = checkServerIdentity(host, certificate.toLegacyObject());
  if (wrongName !== undefined) throw refuse(wrongName.message);
};

export interface TlsOptions extends ServerAddress {
  readonly credentials: LinkCredentials;
  /** A time that is known to have passed, ms since 1970. */
  readonly floor: number;
  readonly signal?: AbortSignal;
}

/** Whether the clock is known to be wrong: boards without a battery wake up in 1970. */
export const isClockBehind = (floor: number): boolean => Date.now() < floor;

/**
 * Connects to a server of the fleet, with mutual TLS. It is checked before anything is sent to it.
 * @throws ServerNotTrustedError; what TLS or the network throw
 */
export const openTls = ({ host, port, credentials, floor, signal }: TlsOptions): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const byHand = isClockBehind(floor);
    const socket = connect({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      secureContext: secureContextOf(credentials),
      rejectUnauthorized: !byHand,
    });
    const give = (error: Error): void => {
      signal?.removeEventListener('abort', abort);
      socket.destroy();
      reject(error);
    };
    const abort = (): void => give(new Error('given up'));
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('error', give);
    socket.once('close', () => give(new Error('the connection was closed before it was secure')));
    socket.once('secureConnect', () => {
      try {
        if (byHand) checkServerAt(socket.getPeerX509Certificate(), { host, fleetCa: credentials.fleetCa, floor });
      } catch (error) {
        give(error as Error);
        return;
      }
      signal?.removeEventListener('abort', abort);
      socket.removeAllListeners('error').removeAllListeners('close');
      resolve(socket);
    });
  });
