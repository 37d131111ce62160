import { isIP } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { type Check, failed, passed, wordsOf } from './check.ts';
import { type ProbeIdentity, ProbeSession } from './probe-session.ts';

const TIMEOUT_MS = 10_000;
const DAY_MS = 86_400_000;
/** Time enough to do something about it. */
const LEAST_DAYS = 14;

interface Handshake {
  readonly protocol: string | null;
  /** Why the server's certificate is not believed; undefined: it is. */
  readonly distrust: string | undefined;
  readonly expiresAt: number;
}

const shakeHands = (url: string, options: ConnectionOptions): Promise<Handshake> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      host,
      port: Number(port),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      // What is wrong with it is to be told, not only that something is.
      rejectUnauthorized: false,
      timeout: TIMEOUT_MS,
      ...options,
    });
    socket.once('secureConnect', () => {
      resolve({
        protocol: socket.getProtocol(),
        distrust: socket.authorized ? undefined : String(socket.authorizationError),
        expiresAt: new Date(socket.getPeerCertificate().valid_to).getTime(),
      });
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    socket.once('error', reject);
  });

const credentials = ({ key, certificate, fleetCa }: ProbeIdentity): ConnectionOptions => ({
  key,
  cert: certificate,
  ca: fleetCa,
});

/**
 * Whether a server for devices speaks TLS 1.3 with a certificate of the fleet, for the name in its address, and for a
 * while longer.
 * @param renewal how it gets a new certificate
 */
export const checkServer = async (
  name: string,
  url: string,
  identity: ProbeIdentity,
  renewal: string,
): Promise<Check> => {
  try {
    const { protocol, distrust, expiresAt } = await shakeHands(url, credentials(identity));
    if (protocol !== 'TLSv1.3') {
      return failed(name, `${url} speaks ${protocol}, expected TLSv1.3`, 'Let it speak TLS 1.3, and nothing older.');
    }
    if (distrust !== undefined) {
      const advice = `Devices will not connect: the certificate has to be of the fleet CA, for the name in this address. ${renewal}`;
      return failed(name, `${url} shows a certificate that is not believed: ${distrust}`, advice);
    }
    const days = Math.floor((expiresAt - Date.now()) / DAY_MS);
    const words = `${url}: TLS 1.3, a certificate of the fleet for ${days} more days`;
    return days >= LEAST_DAYS ? passed(name, words) : failed(name, words, renewal);
  } catch (error) {
    const advice = 'Is it running, and does the network let you through from here? Devices use this very address.';
    return failed(name, `${url} cannot be reached: ${wordsOf(error)}`, advice);
  }
};

/** Whether nobody comes in with an older TLS. */
export const checkOldTls = async (url: string, identity: ProbeIdentity): Promise<Check> => {
  const name = 'mqtt-old-tls';
  try {
    await shakeHands(url, { ...credentials(identity), maxVersion: 'TLSv1.2' });
    return failed(name, `${url} also speaks TLS 1.2`, 'Take the generated configuration: aviary broker config --help');
  } catch {
    return passed(name, 'TLS 1.2 is refused');
  }
};

/** Whether nobody comes in without a certificate. */
export const checkCertificateRequired = async (url: string, identity: ProbeIdentity): Promise<Check> => {
  const name = 'mqtt-certificate';
  try {
    const session = await ProbeSession.open(url, { id: identity.id, fleetCa: identity.fleetCa });
    session.end();
    const advice = 'The broker has to demand a certificate of the fleet CA. See: aviary broker config --help';
    return failed(name, `${url} lets somebody in who shows no certificate`, advice);
  } catch {
    return passed(name, 'a connection without a certificate is refused');
  }
};
