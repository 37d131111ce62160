import { createDecipheriv, createPublicKey, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateSigningKey, signerOf, signModel } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { MasterKey } from '../../apps/control-plane/src/infra/master-key.ts';
import { x25519 } from '../../libs/release/src/age/age-recipient.ts';
import { isSignedBy } from '../../libs/release/src/documents/signing-key.ts';

/** Where Debian's python3-cryptography-vectors keeps the vectors of NIST, the RFCs and OpenSSL. */
const VECTORS = '/usr/lib/python3/dist-packages/cryptography_vectors';

/** One vector: its fields, and those of the `[…]` lines above it. */
type Vector = Readonly<Record<string, string>>;

/** @throws when Debian's package is not installed: vectors that are missing are an error, not a skipped test */
function readVectors(file: string): Vector[] {
  let text: string;
  try {
    text = readFileSync(join(VECTORS, file), 'latin1');
  } catch (cause) {
    throw new Error(`This needs ${join(VECTORS, file)}. Install it: apt-get install python3-cryptography-vectors`, {
      cause,
    });
  }
  const vectors: Vector[] = [];
  let above: Record<string, string> = {};
  let inHeader = false;
  for (const block of text.split(/\r?\n\s*\r?\n/)) {
    const fields: Record<string, string> = {};
    for (const line of block.split(/\r?\n/)) {
      const header = /^\[(.*)\]\s*$/.exec(line);
      if (header) {
        if (!inHeader) above = {};
        inHeader = true;
        const [name = '', value = ''] = (header[1] ?? '').split('=').map((part) => part.trim());
        above[name] = value;
        continue;
      }
      const field = /^(\w+)\s*=\s*(.*?)\s*$/.exec(line);
      if (field) fields[(field[1] ?? '').toLowerCase()] = field[2] ?? '';
      else if (line.trim() === 'FAIL') fields.fail = 'yes';
    }
    if (Object.keys(fields).length === 0) continue;
    inHeader = false;
    // Some are in two parts: the next one begins with its number.
    const before = vectors.at(-1);
    if (before?.count !== undefined && fields.count === undefined) {
      vectors[vectors.length - 1] = { ...before, ...fields };
      continue;
    }
    vectors.push({ ...above, ...fields });
  }
  return vectors;
}

const bytes = (hex = ''): Buffer => Buffer.from(hex, 'hex');

/** DER of a number of a signature: as short as it goes, with a zero where it would look negative. */
function integer(hex: string): string {
  const short = hex.replace(/^(00)+(?=..)/, '');
  const content = Number.parseInt(short.slice(0, 2), 16) > 0x7f ? `00${short}` : short;
  return `02${(content.length / 2).toString(16).padStart(2, '0')}${content}`;
}

function signatureOf({ r = '', s = '' }: Vector): Buffer {
  const content =
    integer(r.padStart(r.length + (r.length % 2), '0')) + integer(s.padStart(s.length + (s.length % 2), '0'));
  const length = content.length / 2;
  return bytes(`30${length > 0x7f ? '81' : ''}${length.toString(16).padStart(2, '0')}${content}`);
}

/** Whether our own check takes a vector's signature; a point that is on no curve is refused as a key. */
function isTaken(curve: string, vector: Vector): boolean {
  const width = curve === 'P-256' ? 64 : 96;
  const base64url = (hex = '') => bytes(hex.padStart(width, '0')).toString('base64url');
  let key: ReturnType<typeof createPublicKey>;
  try {
    const jwk = { kty: 'EC', crv: curve, x: base64url(vector.qx), y: base64url(vector.qy) };
    key = createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return false;
  }
  return isSignedBy(key, bytes(vector.msg), signatureOf(vector));
}

describe('published vectors', () => {
  it('X25519: RFC 7748, 5.2', () => {
    const vectors = readVectors('asymmetric/X25519/rfc7748.txt');
    expect(vectors.length).toBeGreaterThanOrEqual(2);
    for (const { input_scalar, input_u, output_u } of vectors) {
      expect(x25519(bytes(input_scalar), bytes(input_u)).toString('hex')).toBe(output_u);
    }
  });

  it.each([
    ['P-256', 'SHA-256'],
    ['P-384', 'SHA-384'],
  ])('ECDSA: NIST FIPS 186-3 SigVer, %s with %s', (curve, digest) => {
    const vectors = readVectors('asymmetric/ECDSA/FIPS_186-3/SigVer.rsp').filter((one) => `${curve},${digest}` in one);
    const expected = vectors.map(({ result }) => result?.startsWith('P'));
    expect(new Set(expected)).toEqual(new Set([true, false]));
    expect(vectors.map((vector) => isTaken(curve, vector))).toEqual(expected);
  });

  it('ECDSA: a good signature with a digest that is not that of its curve is refused', () => {
    const vectors = readVectors('asymmetric/ECDSA/FIPS_186-3/SigVer.rsp').filter(
      (one) =>
        ['P-256,SHA-1', 'P-256,SHA-224', 'P-256,SHA-384', 'P-256,SHA-512'].some((name) => name in one) &&
        one.result?.startsWith('P'),
    );
    expect(vectors.length).toBeGreaterThan(4);
    for (const vector of vectors) expect(isTaken('P-256', vector)).toBe(false);
  });

  describe('AES-256-GCM, NIST CAVS gcmDecrypt256', () => {
    const sealed = ({ iv, tag, ct }: Vector) => bytes(`${iv}${tag}${ct}`);
    const ours = (one: Vector) => one.IVlen === '96' && one.AADlen === '0';

    it('opens what is good, and refuses what is not', () => {
      const vectors = readVectors('ciphers/AES/GCM/gcmDecrypt256.rsp').filter(
        (one) => ours(one) && one.Taglen === '128',
      );
      const good = vectors.filter(({ fail }) => fail === undefined);
      expect(good.length).toBeGreaterThan(30);
      expect(vectors.length - good.length).toBeGreaterThan(30);
      for (const vector of vectors) {
        const open = () => new MasterKey(bytes(vector.key)).openUnmarked('', sealed(vector)).toString('hex');
        if (vector.fail === undefined) expect(open()).toBe(vector.pt);
        else expect(open).toThrow(expect.objectContaining({ code: 'master-key' }));
      }
    });

    it('refuses a tag that is shorter than it is told, good as it may be', () => {
      const vectors = readVectors('ciphers/AES/GCM/gcmDecrypt256.rsp').filter(
        (one) => ours(one) && one.Taglen !== '128' && one.PTlen === '0' && one.fail === undefined,
      );
      expect(vectors.length).toBeGreaterThan(30);
      for (const vector of vectors) {
        const open = () => new MasterKey(bytes(vector.key)).openUnmarked('', sealed(vector));
        expect(open).toThrow(expect.objectContaining({ code: 'master-key' }));
      }
    });
  });

  it.each(['SHA256ShortMsg', 'SHA256LongMsg'])('SHA-256, NIST CAVS %s: the digest of a signed file', (file) => {
    const signer = signerOf(generateSigningKey());
    const vectors = readVectors(`hashes/SHA2/${file}.rsp`);
    expect(vectors.length).toBeGreaterThan(60);
    for (const { len, msg, md } of vectors) {
      const content = bytes(msg).subarray(0, Number(len) / 8);
      const { dsseEnvelope } = signModel(new Map([['f', content]]), signer, 'm');
      const statement = JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString());
      expect(statement.predicate.resources).toEqual([{ name: 'f', algorithm: 'sha256', digest: md }]);
    }
  });
});

// Age fixes key, nonce and purpose of these two, so that our own functions take no vector of them: what is tried here is
// what they call. How they call it is judged by age, typage and the vectors of C2SP.
describe('published vectors of what age payloads rest on', () => {
  it('HKDF-SHA256: RFC 5869, A', () => {
    const vectors = readVectors('KDF/rfc-5869-HKDF-SHA256.txt').filter(({ okm }) => okm !== undefined);
    expect(vectors.length).toBe(3);
    for (const { ikm, salt, info, l, okm } of vectors) {
      const key = hkdfSync('sha256', bytes(ikm), bytes(salt), bytes(info), Number(l));
      expect(Buffer.from(key).toString('hex')).toBe(okm);
    }
  });

  it('ChaCha20-Poly1305: those of OpenSSL, with RFC 8439, 2.8.2', () => {
    const vectors = readVectors('ciphers/ChaCha20Poly1305/openssl.txt').filter((one) => bytes(one.iv).length === 12);
    expect(vectors.length).toBeGreaterThan(3);
    for (const vector of vectors) {
      const open = () => {
        const decipher = createDecipheriv('chacha20-poly1305', bytes(vector.key), bytes(vector.iv), {
          authTagLength: 16,
        });
        const ciphertext = bytes(vector.ciphertext);
        decipher.setAAD(bytes(vector.aad), { plaintextLength: ciphertext.length }).setAuthTag(bytes(vector.tag));
        return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('hex');
      };
      if (vector.result === 'CIPHERFINAL_ERROR') expect(open).toThrow();
      else expect(open()).toBe(vector.plaintext);
    }
  });
});
