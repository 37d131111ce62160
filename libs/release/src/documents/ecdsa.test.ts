import { createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSignedBy } from './signing-key.ts';

/** RFC 6979, A.2.5: a key on P-256, and what it makes of "sample" with SHA-256. */
const publicKey = createPublicKey({
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: base64url('60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6'),
    y: base64url('7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299'),
  },
  format: 'jwk',
});
const message = Buffer.from('sample');
const R = 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716';
const S = 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8';
/** Order of the curve (FIPS 186-4, D.1.2.3). */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function base64url(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64url');
}

/** A DER element with a short length. */
const element = (tag: string, content: string) =>
  `${tag}${(content.length / 2).toString(16).padStart(2, '0')}${content}`;
const sequence = (content: string) => element('30', content);
/** Two's complement, as short as it goes: a leading zero where the first bit would say that it is negative. */
const integer = (value: bigint) => {
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return element('02', Number.parseInt(even.slice(0, 2), 16) > 0x7f ? `00${even}` : even);
};
const r = integer(BigInt(`0x${R}`));
const s = integer(BigInt(`0x${S}`));
const proper = sequence(r + s);
const content = proper.slice(4);

const verify = (signature: string) => isSignedBy(publicKey, message, Buffer.from(signature, 'hex'));

describe('a signature', () => {
  it.each([
    ['sample', R, S],
    [
      'test',
      'f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367',
      '019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083',
    ],
  ])('of RFC 6979, A.2.5 over %j is good, and over nothing else', (text, rHex, sHex) => {
    const signature = Buffer.from(sequence(integer(BigInt(`0x${rHex}`)) + integer(BigInt(`0x${sHex}`))), 'hex');
    expect(isSignedBy(publicKey, Buffer.from(text), signature)).toBe(true);
    expect(isSignedBy(publicKey, Buffer.from(`${text} `), signature)).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['NULL', '0500'],
    ['an empty sequence', '3000'],
    ['r alone', sequence(r)],
    ['a third number', sequence(r + s + integer(1n))],
    ['a number behind the sequence', proper + integer(0n)],
    ['bytes behind the sequence', `${proper}0000`],
    ['NULL within it', sequence(`${r}${s}0500`)],
    ['its last byte cut off', proper.slice(0, -2)],
    ['a length that says one byte more', `30${(content.length / 2 + 1).toString(16)}${content}`],
    ['a length that says one byte less', `30${(content.length / 2 - 1).toString(16)}${content}`],
    ['a long form of its length', `3081${(content.length / 2).toString(16)}${content}`],
    ['a longer form of its length', `308200${(content.length / 2).toString(16)}${content}`],
    ['an indefinite length', `3080${content}0000`],
    ['a long form of the length of r', sequence(`0281${r.slice(2)}${s}`)],
    ['a zero before r', sequence(element('02', `00${r.slice(4)}`) + s)],
    ['a zero before s', sequence(r + element('02', `00${s.slice(4)}`))],
    ['r without the zero that keeps it positive', sequence(element('02', R) + s)],
    ['s without the zero that keeps it positive', sequence(r + element('02', S))],
    ['an empty r', sequence(`0200${s}`)],
    ['a set for a sequence', `31${proper.slice(2)}`],
    ['an octet string for r', sequence(`04${r.slice(2)}${s}`)],
    ['r and s of 32 bytes each, in no DER', R + S],
    ['r and s exchanged', sequence(s + r)],
    ['r = 0', sequence(integer(0n) + s)],
    ['s = 0', sequence(r + integer(0n))],
    ['r = s = 0', sequence(integer(0n) + integer(0n))],
    ['r = s = 1', sequence(integer(1n) + integer(1n))],
    ['r = n', sequence(integer(N) + s)],
    ['s = n', sequence(r + integer(N))],
    ['r + n', sequence(integer(BigInt(`0x${R}`) + N) + s)],
    ['s + n', sequence(r + integer(BigInt(`0x${S}`) + N))],
    ['n - r', sequence(integer(N - BigInt(`0x${R}`)) + s)],
    ['r of 256 zero bits and more', sequence(element('02', `01${'00'.repeat(32)}`) + s)],
  ])('is refused with %s', (_, signature) => {
    expect(signature).not.toBe(proper);
    expect(verify(signature)).toBe(false);
  });

  it('is refused with any bit of it flipped', () => {
    const bytes = Buffer.from(proper, 'hex');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(isSignedBy(publicKey, message, changed)).toBe(false);
    }
  });

  it('is as good with n - s, as ECDSA has it: nothing here may take a signature for an identity', () => {
    expect(verify(sequence(r + integer(N - BigInt(`0x${S}`))))).toBe(true);
  });
});
