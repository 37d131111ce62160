import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../testing/code-of.ts';
import {
  decodePublicKey,
  decodeSigningKey,
  encodeSigningKey,
  generateSigningKey,
  isSignedBy,
  keyId,
  publicKeyPem,
  signerOf,
} from './signing-key.ts';

const key = generateSigningKey();

describe('signing key', () => {
  it('comes back from PEM', () => {
    expect(decodeSigningKey(encodeSigningKey(key)).equals(key)).toBe(true);
  });

  it('comes back from PEM under a passphrase, and under no other', () => {
    const pem = encodeSigningKey(key, 'correct horse é');
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    expect(decodeSigningKey(pem, 'correct horse é').equals(key)).toBe(true);
    expect(codeOf(() => decodeSigningKey(pem, 'correct horse e'))).toBe('signing-key-passphrase-wrong');
    expect(codeOf(() => decodeSigningKey(pem))).toBe('signing-key-passphrase-missing');
    expect(codeOf(() => encodeSigningKey(key, ''))).toBe('signing-key-passphrase-missing');
  });

  it('under a passphrase is PKCS#8 with scrypt and AES-256, under a fresh salt each time', () => {
    const [, ...lines] = encodeSigningKey(key, 'pass').trimEnd().split('\n').slice(0, -1);
    const der = Buffer.from(lines.join(''), 'base64').toString('hex');
    // Object identifiers of RFC 8018 (A.4), RFC 7914 (7) and of AES-256-CBC; then N 16384, r 8, p 5, 32 bytes of key.
    expect(der).toContain('2a864886f70d01050d');
    expect(der).toContain('2b06010401da47040b');
    expect(der).toContain('60864801650304012a');
    expect(der).toContain('02024000020108020105020120');
    expect(encodeSigningKey(key, 'pass')).not.toBe(encodeSigningKey(key, 'pass'));
  });

  it('has the SHA-256 of its PEM as its id, whatever the line ends', () => {
    const pem = publicKeyPem(key);
    const expected = createHash('sha256').update(pem).digest('hex');
    expect(keyId(pem)).toBe(expected);
    expect(keyId(pem.replaceAll('\n', '\r\n'))).toBe(expected);
    expect(signerOf(key).keyId).toBe(expected);
  });

  it('signs what its public key verifies', () => {
    const message = Buffer.from('hello');
    const signature = signerOf(key).sign(message);
    const publicKey = decodePublicKey(signerOf(key).publicKeyPem);
    expect(isSignedBy(publicKey, message, signature)).toBe(true);
    expect(isSignedBy(publicKey, Buffer.from('hellp'), signature)).toBe(false);
    expect(isSignedBy(publicKey, message, Buffer.alloc(3))).toBe(false);
  });

  it('refuses what is no key, another kind or another curve', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const p521 = generateKeyPairSync('ec', { namedCurve: 'secp521r1' });
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    expect(codeOf(() => decodeSigningKey('hello'))).toBe('signing-key-invalid');
    expect(codeOf(() => decodePublicKey('hello'))).toBe('signing-key-invalid');
    expect(codeOf(() => decodePublicKey(encodeSigningKey(key)))).toBe('signing-key-invalid');
    expect(codeOf(() => signerOf(rsa))).toBe('signing-key-wrong-curve');
    expect(codeOf(() => signerOf(p384.privateKey))).toBe('signing-key-wrong-curve');
    expect(codeOf(() => decodePublicKey(publicKeyPem(rsa)))).toBe('signing-key-wrong-curve');
    expect(codeOf(() => decodePublicKey(publicKeyPem(p521.publicKey)))).toBe('signing-key-wrong-curve');
    expect(codeOf(() => decodePublicKey(publicKeyPem(p384.publicKey)))).toBe('none');
  });
});
