import { createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';
import { bech32 } from '@scure/base';
import { AgeError } from './age-error.ts';

const RECIPIENT_PREFIX = 'age';
const IDENTITY_PREFIX = 'age-secret-key-';
const KEY_BYTES = 32;
// DER of everything before the 32 raw bytes in SPKI and PKCS#8 (RFC 8410): Node takes X25519 keys in no rawer form.
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** A fresh X25519 identity, `AGE-SECRET-KEY-1…`. */
export function generateAgeIdentity(): string {
  return encodeAgeIdentity(randomBytes(KEY_BYTES));
}

/** The recipient (`age1…`) that seals to an identity (`AGE-SECRET-KEY-1…`). @throws AgeError `age-key-invalid` */
export function ageRecipientOf(identity: string): string {
  return encodeAgeRecipient(x25519PublicKey(decodeAgeIdentity(identity)));
}

/** `age1…` of 32 bytes. */
function encodeAgeRecipient(publicKey: Uint8Array): string {
  return bech32.encode(RECIPIENT_PREFIX, bech32.toWords(publicKey));
}

/** The 32 bytes of `age1…`. @throws AgeError `age-key-invalid` */
export function decodeAgeRecipient(recipient: string): Buffer {
  return decode(recipient, RECIPIENT_PREFIX, 'an age recipient (age1…)');
}

/** `AGE-SECRET-KEY-1…` of 32 bytes. */
function encodeAgeIdentity(secret: Uint8Array): string {
  return bech32.encode(IDENTITY_PREFIX, bech32.toWords(secret)).toUpperCase();
}

/** The 32 bytes of `AGE-SECRET-KEY-1…`. @throws AgeError `age-key-invalid` */
export function decodeAgeIdentity(identity: string): Buffer {
  return decode(identity, IDENTITY_PREFIX, 'an age identity (AGE-SECRET-KEY-1…)');
}

/** Public key of a 32-byte secret scalar (RFC 7748). */
export function x25519PublicKey(secret: Uint8Array): Buffer {
  return createPublicKey(privateKeyOf(secret)).export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length);
}

/**
 * Shared secret of a 32-byte secret and a 32-byte public key (RFC 7748).
 * @throws AgeError `age-key-invalid` for a public key of low order, whose secret everybody knows, and of another length.
 */
export function x25519(secret: Uint8Array, publicKey: Uint8Array): Buffer {
  // OpenSSL reads over bytes that stand behind the key.
  if (publicKey.length !== KEY_BYTES) {
    throw new AgeError(
      'age-key-invalid',
      `expected an X25519 public key of ${KEY_BYTES} bytes, got ${publicKey.length}`,
    );
  }
  try {
    return diffieHellman({
      privateKey: privateKeyOf(secret),
      publicKey: createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' }),
    });
  } catch (cause) {
    throw new AgeError('age-key-invalid', 'the X25519 public key is of low order or malformed', { cause });
  }
}

function privateKeyOf(secret: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: 'der', type: 'pkcs8' });
}

function decode(text: string, prefix: string, expected: string): Buffer {
  // The message never repeats the text: it may be a secret.
  const refusal = (cause?: unknown) =>
    new AgeError('age-key-invalid', `expected ${expected}, got something else`, { cause });
  const parts = bech32.decodeUnsafe(text.trim());
  if (!parts || parts.prefix.toLowerCase() !== prefix) throw refusal();
  let bytes: Uint8Array;
  try {
    bytes = bech32.fromWords(parts.words);
  } catch (cause) {
    throw refusal(cause);
  }
  if (bytes.length !== KEY_BYTES) throw refusal();
  return Buffer.from(bytes);
}
