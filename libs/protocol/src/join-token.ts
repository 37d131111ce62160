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
const PATTERN = /^aviary-join\.([A-Za-z0-9_-]{22,})\.([0-9a-f]{64})\.([a-z0-9.[\]:-]+:\d{1,5})$/i;

/** Writes a join token as one word: `aviary-join.<secret>.<CA fingerprint>.<host>:<port>`. */
export const formatJoinToken = (token: JoinToken): string =>
  `${PREFIX}${token.secret}.${token.caFingerprint}.${token.url.replace(/^https:\/\//, '').replace(/\/$/, '')}`;

/**
 * Reads a join token.
 * @throws JoinTokenError when it is none; the message never repeats the secret.
 */
export const parseJoinToken = (text: string): JoinToken => {
  const word = text.trim();
  const [, secret, caFingerprint, host] = PATTERN.exec(word) ?? [];
  if (secret !== undefined && caFingerprint !== undefined && host !== undefined) {
    return { secret, caFingerprint: caFingerprint.toLowerCase(), url: `https://${host}` };
  }
  throw new JoinTokenError(
    word.startsWith(PREFIX)
      ? 'The join token is cut off or damaged. Copy the whole word once more.'
      : `Expected a join token, which begins with "${PREFIX}". Make one with: aviary device enroll-token`,
  );
};
