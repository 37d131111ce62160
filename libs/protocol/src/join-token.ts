/** What a device needs to join: where, whom to trust, and a secret that works once. */
export interface JoinToken {
  /** Address of the device plane, e.g. `https://fleet.example:8443`. */
  readonly url: string;
  /** SHA-256 of the fleet CA certificate's DER in hex, so that the first contact is already authenticated. */
  readonly caFingerprint: string;
  /** The one-use secret; the control plane keeps only its hash. */
  readonly secret: string;
}

export class JoinTokenError extends Error {
  readonly code = 'join-token-malformed';
}

const PREFIX = 'aviary-join.';
const PATTERN = /^aviary-join\.([a-z0-9_-]{22,})\.([0-9a-f]{64})\.([a-z0-9._-]+|\[[0-9a-f:.]+\]):(\d{1,5})$/i;
const DEFAULT_PORT = 443;

/**
 * Writes a join token as one word: `aviary-join.<secret>.<CA fingerprint>.<host>:<port>`.
 * @throws JoinTokenError when that could not be read again, e.g. with an address that is no https one
 */
export const formatJoinToken = (token: JoinToken): string => {
  const [, host, port = DEFAULT_PORT] = /^https:\/\/([^/]+?)(?::(\d+))?\/?$/.exec(token.url) ?? [];
  const word = `${PREFIX}${token.secret}.${token.caFingerprint}.${host}:${port}`;
  if (host !== undefined && read(word) !== undefined) return word;
  throw new JoinTokenError(
    `Expected an address such as https://fleet.example:8443 and a secret of a-z, 0-9, _ and - for a join token, got the address "${token.url}".`,
  );
};

const read = (word: string): JoinToken | undefined => {
  const [, secret, caFingerprint, host, port] = PATTERN.exec(word) ?? [];
  if (secret === undefined || caFingerprint === undefined || Number(port) < 1 || Number(port) > 65_535)
    return undefined;
  return { secret, caFingerprint: caFingerprint.toLowerCase(), url: `https://${host}:${port}` };
};

/**
 * Reads a join token.
 * @throws JoinTokenError when it is none; the message never repeats the secret.
 */
export const parseJoinToken = (text: string): JoinToken => {
  const word = text.trim();
  const token = read(word);
  if (token !== undefined) return token;
  throw new JoinTokenError(
    word.startsWith(PREFIX)
      ? 'The join token is cut off or damaged. Copy the whole word once more.'
      : `Expected a join token, which begins with "${PREFIX}". Make one with: aviary device enroll-token`,
  );
};
