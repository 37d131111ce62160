import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import * as vectors from 'cctv-age';
import { describe, expect, it } from 'vitest';
import { openHeader } from './age-header.ts';
import { openPayload } from './age-payload.ts';
import { generateAgeIdentity } from './age-recipient.ts';

/** C2SP's vectors for age (cctv-age, "Test file format"): what a file is, and what has to come of it. */
interface Vector {
  readonly name: string;
  readonly expect: string;
  /** SHA-256 of all plaintext that may be released, also before a failure. */
  readonly payload: string | undefined;
  readonly identities: readonly string[];
  /** What is in it that Aviary does not read: devices hold X25519 identities, and files are binary. */
  readonly foreign: 'armor' | 'scrypt' | 'hybrid' | undefined;
  readonly file: Buffer;
}

/** What came of a file, in the words of the vectors. */
interface Outcome {
  readonly outcome: string;
  readonly released: Buffer;
}

const X25519_IDENTITY = /^AGE-SECRET-KEY-1/;

/** The error codes that may stand for each expected failure. */
const OUTCOMES: Readonly<Record<string, string>> = {
  'age-header-malformed': 'header failure',
  'age-not-for-us': 'no match',
  'age-header-tampered': 'HMAC failure',
  'age-payload-truncated': 'payload failure',
  'age-payload-trailing': 'payload failure',
  'age-payload-tampered': 'payload failure',
};

/** age counts the nonce to the header; here it is the beginning of the payload, which all devices share. */
const NONCE_VECTORS = new Set(['stream_no_nonce', 'stream_short_nonce']);

const all = Object.entries(vectors)
  .map(([name, bytes]) => parseVector(name, Buffer.from(bytes)))
  .sort((a, b) => (a.name < b.name ? -1 : 1));
const ours = all.filter(({ foreign }) => foreign === undefined);
const others = all.filter(({ foreign }) => foreign !== undefined);

function parseVector(name: string, bytes: Buffer): Vector {
  const end = bytes.indexOf('\n\n');
  const fields = bytes
    .subarray(0, end)
    .toString()
    .split('\n')
    .map((line) => line.split(': ', 2) as [string, string]);
  const valuesOf = (key: string) => fields.filter(([name]) => name === key).map(([, value]) => value);
  const body = bytes.subarray(end + 2);
  const identities = valuesOf('identity');
  const foreign =
    valuesOf('armored').length > 0
      ? 'armor'
      : valuesOf('passphrase').length > 0
        ? 'scrypt'
        : identities.some((identity) => !X25519_IDENTITY.test(identity))
          ? 'hybrid'
          : undefined;
  return {
    name,
    expect: valuesOf('expect')[0] ?? '',
    payload: valuesOf('payload')[0],
    identities,
    foreign,
    file: valuesOf('compressed')[0] === 'zlib' ? inflateSync(body) : body,
  };
}

/** Cuts a file after the line that starts with `---`; a file without one is all header. */
function splitFile(file: Buffer): { header: Buffer; payload: Buffer } {
  const footer = file.indexOf('\n---');
  const end = footer < 0 ? -1 : file.indexOf('\n', footer + 1);
  return end < 0
    ? { header: file, payload: Buffer.alloc(0) }
    : { header: file.subarray(0, end + 1), payload: file.subarray(end + 1) };
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function open(file: Buffer, identity: string, pieceBytes: number): Promise<Outcome> {
  const { header, payload } = splitFile(file);
  const released: Buffer[] = [];
  let outcome = 'success';
  try {
    const fileKey = openHeader(header, identity);
    for await (const chunk of openPayload(fileKey, pieces(payload, pieceBytes))) released.push(chunk);
  } catch (error) {
    const { code } = error as { code?: string };
    outcome = OUTCOMES[code ?? ''] ?? `${error}`;
  }
  return { outcome, released: Buffer.concat(released) };
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const NOTHING = sha256(new Uint8Array());

describe("C2SP's vectors for age", () => {
  it('are all here: those that we read, and those that we refuse', () => {
    const expected = new Set(ours.map((vector) => vector.expect));
    expect(expected).toEqual(new Set(['success', 'no match', 'HMAC failure', 'header failure', 'payload failure']));
    expect(new Set(others.map(({ foreign }) => foreign))).toEqual(new Set(['armor', 'scrypt', 'hybrid']));
    // Of version 0.2.0; a newer one may have more, and none may get lost on the way.
    expect(ours.length).toBeGreaterThanOrEqual(67);
    expect(others.length).toBeGreaterThanOrEqual(76);
  });

  describe.each([
    ['at once', Number.POSITIVE_INFINITY],
    ['in pieces that fit no chunk', 997],
  ])('read %s', (_, pieceBytes) => {
    it.each(ours)('$name: $expect', async (vector) => {
      const isNonce = NONCE_VECTORS.has(vector.name);
      const [identity = generateAgeIdentity()] = vector.identities;
      const { outcome, released } = await open(vector.file, identity, pieceBytes);
      expect(outcome).toBe(isNonce ? 'payload failure' : vector.expect);
      expect(sha256(released)).toBe(vector.payload ?? NOTHING);
    });
  });

  it.each(others)('$name is refused: $foreign is not read', async (vector) => {
    for (const identity of [...vector.identities, generateAgeIdentity()]) {
      const { outcome, released } = await open(vector.file, identity, Number.POSITIVE_INFINITY);
      expect(outcome).not.toBe('success');
      expect(released.length).toBe(0);
    }
  });
});
