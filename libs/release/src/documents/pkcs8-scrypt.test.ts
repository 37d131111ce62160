import { createPrivateKey, scryptSync } from 'node:crypto';
import { cbc } from '@noble/ciphers/aes.js';
import { scrypt } from '@noble/hashes/scrypt.js';
import { describe, expect, it } from 'vitest';
import { encryptPkcs8 } from './pkcs8-scrypt.ts';
import { encodeSigningKey, generateSigningKey } from './signing-key.ts';

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** The elements of DER one behind the other. */
function elements(der: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < der.length; ) {
    const tag = der.readUInt8(at);
    const first = der.readUInt8(at + 1);
    const more = first > 0x80 ? first - 0x80 : 0;
    const length = more > 0 ? der.readUIntBE(at + 2, more) : first;
    const start = at + 2 + more;
    found.push({ tag, content: der.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

/** Walks into sequences: the element at a path of positions. */
function at(der: Buffer, ...path: number[]): Buffer {
  return path.reduce((within, position) => elements(within)[position]?.content ?? Buffer.alloc(0), der);
}

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
const number = (der: Buffer) => Number.parseInt(der.toString('hex'), 16);

describe('a key under a passphrase', () => {
  it.each([
    [
      'password',
      'NaCl',
      { N: 1024, r: 8, p: 16 },
      'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
    ],
    [
      'pleaseletmein',
      'SodiumChloride',
      { N: 16384, r: 8, p: 1 },
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    ],
  ])('rests on the scrypt of RFC 7914, 12: %j', (passphrase, salt, cost, expected) => {
    // encryptPkcs8 draws its salt and fixes its cost, so it is the function below it that takes these.
    expect(scryptSync(passphrase, salt, 64, { ...cost, maxmem: 64 * 1024 * 1024 }).toString('hex')).toBe(expected);
    expect(Buffer.from(scrypt(passphrase, salt, { ...cost, dkLen: 64 })).toString('hex')).toBe(expected);
  });

  it('is opened by an scrypt and an AES that are not those which sealed it', () => {
    const key = generateSigningKey();
    const passphrase = 'correct horse é';
    const der = derOf(encodeSigningKey(key, passphrase));
    const kdf = at(der, 0, 0, 1, 0, 1);
    const iv = at(der, 0, 0, 1, 1, 1);
    const [salt, n, r, p, length] = elements(kdf).map(({ content }) => content);
    const cost = { N: number(n ?? iv), r: number(r ?? iv), p: number(p ?? iv), dkLen: number(length ?? iv) };
    const derived = scrypt(Buffer.from(passphrase), salt ?? iv, cost);
    const opened = Buffer.from(cbc(derived, iv).decrypt(at(der, 0, 1)));
    expect(createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' }).equals(key)).toBe(true);
  });

  it.each([0, 15, 16, 100, 127, 128, 255, 256, 60_000])('has lengths that DER takes: %i bytes', (size) => {
    const der = derOf(encryptPkcs8(Buffer.alloc(size, 7), 'x'));
    expect(elements(der).length).toBe(1);
    expect(at(der, 0, 1).length).toBe(Math.floor(size / 16) * 16 + 16);
  });
});
