import { randomBytes } from 'node:crypto';
import { Decrypter, Encrypter } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../testing/code-of.ts';
import { createHeader, openHeader } from './age-header.ts';
import { ageRecipientOf, generateAgeIdentity } from './age-recipient.ts';

const identity = generateAgeIdentity();
const recipient = ageRecipientOf(identity);
const fileKey = randomBytes(16);

/** The header of a whole age file: up to and with the line that starts with `---`. */
function headerOf(file: Uint8Array): Buffer {
  const bytes = Buffer.from(file);
  const footer = bytes.indexOf('\n--- ') + 1;
  return bytes.subarray(0, bytes.indexOf('\n', footer) + 1);
}

describe('age header', () => {
  it('gives the file key back', () => {
    expect(openHeader(createHeader(fileKey, recipient), identity)).toEqual(fileKey);
  });

  it('is opened by typage', async () => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    expect(Buffer.from(await decrypter.decryptHeader(createHeader(fileKey, recipient)))).toEqual(fileKey);
  });

  it('of typage for several recipients is opened by each', async () => {
    const other = generateAgeIdentity();
    const encrypter = new Encrypter();
    encrypter.addRecipient(ageRecipientOf(other));
    encrypter.addRecipient(recipient);
    const header = headerOf(await encrypter.encrypt('hello'));
    expect(openHeader(header, identity)).toEqual(openHeader(header, other));
  });

  it('passes over stanzas of other types', () => {
    const lines = createHeader(fileKey, recipient).toString().split('\n');
    lines.splice(1, 0, '-> grease-7 some words', 'AAAA');
    // The MAC covers the added stanza too, so this gets as far as the MAC and no further.
    expect(codeOf(() => openHeader(Buffer.from(lines.join('\n')), identity))).toBe('age-header-tampered');
  });

  it('is not opened by another key', () => {
    expect(codeOf(() => openHeader(createHeader(fileKey, recipient), generateAgeIdentity()))).toBe('age-not-for-us');
  });

  it('is refused with any bit flipped', () => {
    const header = createHeader(fileKey, recipient);
    fc.assert(
      fc.property(fc.nat(header.length - 1), fc.nat(7), (index, bit) => {
        const damaged = Buffer.from(header);
        damaged[index] = (damaged[index] ?? 0) ^ (1 << bit);
        expect(['age-header-malformed', 'age-not-for-us', 'age-header-tampered']).toContain(
          codeOf(() => openHeader(damaged, identity)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('is refused cut at any place', () => {
    const header = createHeader(fileKey, recipient);
    for (let length = 0; length < header.length; length++) {
      expect(codeOf(() => openHeader(header.subarray(0, length), identity))).toBe('age-header-malformed');
    }
  });

  it.each([
    ['a longer stanza key', (text: string) => text.replace(/\n([A-Za-z0-9+/]{43})\n---/, `\n${'A'.repeat(64)}\n\n---`)],
    ['a share of low order', (text: string) => text.replace(/X25519 \S+/, `X25519 ${'A'.repeat(43)}`)],
    ['a share that is too short', (text: string) => text.replace(/X25519 \S+/, 'X25519 AAAA')],
    ['a second argument', (text: string) => text.replace(/(X25519 \S+)/, '$1 more')],
    ['base64 of another spelling', (text: string) => text.replace(/(X25519 \S+)/, '$1=')],
    ['a passphrase beside the recipient', (text: string) => text.replace('\n-> ', '\n-> scrypt AAAA 10\nAAAA\n-> ')],
    ['no stanza', (text: string) => text.replace(/-> .*\n.*\n---/, '---')],
    ['bytes behind', (text: string) => `${text}more\n`],
    ['another version', (text: string) => text.replace('/v1\n', '/v2\n')],
  ])('is refused with %s', (_, change) => {
    const before = createHeader(fileKey, recipient).toString();
    const after = change(before);
    expect(after).not.toBe(before);
    expect(codeOf(() => openHeader(Buffer.from(after), identity))).toBe('age-header-malformed');
  });

  it('takes file keys of 16 bytes only', () => {
    expect(codeOf(() => createHeader(randomBytes(32), recipient))).toBe('age-key-invalid');
  });
});
