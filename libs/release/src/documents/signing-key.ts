import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { encryptPkcs8 } from './pkcs8-scrypt.ts';

export type SigningKeyErrorCode =
  | 'signing-key-invalid'
  | 'signing-key-wrong-curve'
  | 'signing-key-passphrase-missing'
  | 'signing-key-passphrase-wrong';

/** A key that cannot be used to sign or verify; `code` says why. */
export class SigningKeyError extends Error {
  readonly code: SigningKeyErrorCode;
  constructor(code: SigningKeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SigningKeyError';
    this.code = code;
  }
}

/** Whatever signs: a key in memory here, a token or a KMS elsewhere. */
export interface Signer {
  /** {@link keyId} of `publicKeyPem`. */
  readonly keyId: string;
  readonly publicKeyPem: string;
  /** ECDSA P-256 over SHA-256 of `message`, as a DER `Ecdsa-Sig-Value` (RFC 3279, 2.2.3). */
  sign(message: Uint8Array): Buffer;
}

/** A fresh P-256 private key. */
export function generateSigningKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
}

/**
 * The private key as PKCS#8 PEM. With a passphrase: PBES2, scrypt and AES-256-CBC (RFC 8018, RFC 7914), which
 * `openssl pkey` opens too. The default of Node's own export, PBKDF2 with 2048 rounds, is too weak for an offline key.
 */
export function encodeSigningKey(privateKey: KeyObject, passphrase?: string): string {
  assertP256(privateKey);
  if (passphrase === undefined) return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  if (passphrase === '') {
    throw new SigningKeyError(
      'signing-key-passphrase-missing',
      'expected a passphrase, got an empty one; leave it out to store the key unprotected',
    );
  }
  return encryptPkcs8(privateKey.export({ type: 'pkcs8', format: 'der' }), passphrase);
}

/**
 * Reads a P-256 private key from PEM.
 * @throws SigningKeyError when it is no such key, or the passphrase is missing or wrong.
 */
export function decodeSigningKey(pem: string, passphrase?: string): KeyObject {
  const encrypted = pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----');
  if (encrypted && !passphrase) {
    throw new SigningKeyError(
      'signing-key-passphrase-missing',
      'the private key is protected by a passphrase and none was given',
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(encrypted && passphrase ? { key: pem, passphrase } : { key: pem });
  } catch (cause) {
    if (encrypted) {
      throw new SigningKeyError(
        'signing-key-passphrase-wrong',
        'the passphrase does not open the private key; try again, or the file is damaged',
        { cause },
      );
    }
    throw new SigningKeyError(
      'signing-key-invalid',
      'expected a P-256 private key in PEM (-----BEGIN PRIVATE KEY-----), got something else',
      { cause },
    );
  }
  assertP256(key);
  return key;
}

/** The public half as SPKI PEM, 64 columns, with a final newline: the form that {@link keyId} hashes. */
export function publicKeyPem(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

/**
 * Reads a public key from SPKI PEM. Ours are on P-256; P-384 is taken too, for models signed elsewhere after OpenSSF
 * Model Signing.
 * @throws SigningKeyError
 */
export function decodePublicKey(pem: string): KeyObject {
  // createPublicKey would also take a private key, and then a leaked one would pass for a public one.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) {
    throw new SigningKeyError(
      'signing-key-invalid',
      'expected a public key in PEM (-----BEGIN PUBLIC KEY-----), got something else',
    );
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new SigningKeyError('signing-key-invalid', 'the public key (PEM) is damaged', { cause });
  }
  if (key.asymmetricKeyType !== 'ec' || !(curveOf(key) in DIGESTS))
    throw wrongCurve(key, 'public EC key on P-256 or P-384');
  return key;
}

/** Whether `signature` (DER) is `publicKey`'s ECDSA over `message`, with the digest that belongs to its curve. */
export function isSignedBy(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  const digest = DIGESTS[curveOf(publicKey)];
  return digest !== undefined && verify(digest, message, publicKey, signature);
}

/** Hex SHA-256 of the key's canonical SPKI PEM; OpenSSF Model Signing uses the same as its key hint. */
export function keyId(pem: string): string {
  return createHash('sha256')
    .update(publicKeyPem(decodePublicKey(pem)))
    .digest('hex');
}

/** A signer over a private key in memory. @throws SigningKeyError when it is not P-256. */
export function signerOf(privateKey: KeyObject): Signer {
  assertP256(privateKey);
  const pem = publicKeyPem(privateKey);
  return {
    keyId: createHash('sha256').update(pem).digest('hex'),
    publicKeyPem: pem,
    sign: (message) => sign('sha256', message, privateKey),
  };
}

// RFC 7518, 3.4: each curve with the digest of its own strength.
const DIGESTS: Readonly<Record<string, string>> = { prime256v1: 'sha256', secp384r1: 'sha384' };

function curveOf(key: KeyObject): string {
  return key.asymmetricKeyDetails?.namedCurve ?? '';
}

function assertP256(privateKey: KeyObject): void {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ec' || curveOf(privateKey) !== 'prime256v1') {
    throw wrongCurve(privateKey, 'private EC key on P-256');
  }
}

function wrongCurve(key: KeyObject, expected: string): SigningKeyError {
  const curve = curveOf(key);
  return new SigningKeyError(
    'signing-key-wrong-curve',
    `expected a ${expected}, got a ${key.type} ${key.asymmetricKeyType ?? ''} key${curve ? ` on ${curve}` : ''}`,
  );
}
