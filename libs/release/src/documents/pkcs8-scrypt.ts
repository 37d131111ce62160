import { createCipheriv, randomBytes, scryptSync } from 'node:crypto';

// OWASP's figures for scrypt at the 16 MiB that OpenSSL allows itself when it reads such a key back (its cap is 32 MiB).
const COST = { N: 16_384, r: 8, p: 5 };

const OID_PBES2 = Buffer.from('06092a864886f70d01050d', 'hex');
const OID_SCRYPT = Buffer.from('06092b06010401da47040b', 'hex');
const OID_AES_256_CBC = Buffer.from('060960864801650304012a', 'hex');

/**
 * `EncryptedPrivateKeyInfo` in PEM (RFC 5958, 3) under PBES2 (RFC 8018, 6.2), scrypt (RFC 7914, 7) and AES-256-CBC.
 * @param privateKeyInfo PKCS#8 `PrivateKeyInfo`, DER.
 */
export function encryptPkcs8(privateKeyInfo: Uint8Array, passphrase: string): string {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const key = scryptSync(Buffer.from(passphrase, 'utf8'), salt, 32, { ...COST, maxmem: 64 * 1024 * 1024 });
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(privateKeyInfo), cipher.final()]);

  const kdf = sequence(
    OID_SCRYPT,
    sequence(octets(salt), integer(COST.N), integer(COST.r), integer(COST.p), integer(32)),
  );
  const scheme = sequence(OID_AES_256_CBC, octets(iv));
  const der = sequence(sequence(OID_PBES2, sequence(kdf, scheme)), octets(encrypted));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${lines.join('\n')}\n-----END ENCRYPTED PRIVATE KEY-----\n`;
}

function element(tag: number, content: Uint8Array): Buffer {
  const size = content.length;
  let length: number[];
  if (size < 0x80) length = [size];
  else if (size < 0x100) length = [0x81, size];
  else length = [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function sequence(...items: Uint8Array[]): Buffer {
  return element(0x30, Buffer.concat(items));
}

function octets(content: Uint8Array): Buffer {
  return element(0x04, content);
}

function integer(value: number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
  // A leading one bit would read as a negative number.
  return element(0x02, (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}
