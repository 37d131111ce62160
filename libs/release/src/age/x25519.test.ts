import { describe, expect, it } from 'vitest';
import { x25519, x25519PublicKey } from './age-recipient.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

/** The secrets of RFC 7748, 6.1. */
const ALICE = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a';
const BOB = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb';

/** u-coordinates of small order on Curve25519 and its twist, as fields and as their other spellings (RFC 7748, 7; cr.yp.to/ecdh.html). */
const LOW_ORDER = {
  zero: '0000000000000000000000000000000000000000000000000000000000000000',
  one: '0100000000000000000000000000000000000000000000000000000000000000',
  'order 8, the first': 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  'order 8, the second': '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'p - 1': 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'p, which is zero': 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'p + 1, which is one': 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
};

/** The same with the highest bit set, which RFC 7748 (5) has everybody ignore. */
const withHighBit = (point: string) => {
  const changed = bytes(point);
  changed.writeUInt8(changed.readUInt8(31) | 0x80, 31);
  return hex(changed);
};

describe('X25519', () => {
  it.each([
    [
      'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    ],
    [
      '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
      '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    ],
  ])('multiplies as RFC 7748, 5.2 says: %s', (scalar, u, expected) => {
    expect(hex(x25519(bytes(scalar), bytes(u)))).toBe(expected);
  });

  it.each([
    [1, '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'],
    [1000, '684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51'],
  ])('does so %i times in a row (RFC 7748, 5.2)', (times, expected) => {
    let k: Buffer = bytes('0900000000000000000000000000000000000000000000000000000000000000');
    let u: Buffer = k;
    for (let round = 0; round < times; round += 1) [k, u] = [x25519(k, u), k];
    expect(hex(k)).toBe(expected);
  });

  it('makes one secret of both sides (RFC 7748, 6.1)', () => {
    const alice = bytes(ALICE);
    const bob = bytes(BOB);
    expect(hex(x25519PublicKey(alice))).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(hex(x25519PublicKey(bob))).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(hex(x25519(alice, x25519PublicKey(bob)))).toBe(shared);
    expect(hex(x25519(bob, x25519PublicKey(alice)))).toBe(shared);
  });

  it.each(Object.entries(LOW_ORDER))('refuses a public key of low order: %s', (_, point) => {
    for (const spelling of [point, withHighBit(point)]) {
      expect(() => x25519(bytes(ALICE), bytes(spelling))).toThrow(expect.objectContaining({ code: 'age-key-invalid' }));
    }
  });

  it.each([0, 31, 33, 64])('refuses a public key of %i bytes', (length) => {
    expect(() => x25519(bytes(ALICE), Buffer.alloc(length, 9))).toThrow(
      expect.objectContaining({ code: 'age-key-invalid' }),
    );
  });
});
