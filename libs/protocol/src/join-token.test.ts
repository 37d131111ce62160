import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatJoinToken, JoinTokenError, parseJoinToken } from './join-token.ts';

const token = { url: 'https://fleet.example:8443', caFingerprint: 'ab'.repeat(32), secret: 'S3cret_of-22-characters' };
const word = formatJoinToken(token);

const errorOf = (run: () => unknown): JoinTokenError => {
  try {
    run();
  } catch (error) {
    if (error instanceof JoinTokenError) return error;
    throw error;
  }
  throw new Error('expected to be refused');
};

describe('a join token', () => {
  it('is one word without a blank', () => {
    expect(word).toBe(`aviary-join.S3cret_of-22-characters.${'ab'.repeat(32)}.fleet.example:8443`);
  });

  it('comes back as it was given', () => {
    const host = fc.oneof(
      fc.stringMatching(/^[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?(\.[a-z][a-z0-9-]{0,10}[a-z0-9]){0,3}$/),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    );
    fc.assert(
      fc.property(
        host,
        fc.integer({ min: 1, max: 65_535 }),
        fc.stringMatching(/^[A-Za-z0-9_-]{22,60}$/),
        fc.stringMatching(/^[0-9a-f]{64}$/),
        (name, port, secret, caFingerprint) => {
          const given = { url: `https://${name}:${port}`, secret, caFingerprint };
          expect(parseJoinToken(formatJoinToken(given))).toEqual(given);
        },
      ),
    );
  });

  it.each([
    ['https://fleet.example', 'https://fleet.example:443'],
    ['https://fleet.example/', 'https://fleet.example:443'],
    ['https://fleet.example:8443/', 'https://fleet.example:8443'],
    ['https://[::1]:8443', 'https://[::1]:8443'],
    ['https://fleet_box.local:8443', 'https://fleet_box.local:8443'],
  ])('of %s leads to %s', (url, expected) => {
    expect(parseJoinToken(formatJoinToken({ ...token, url })).url).toBe(expected);
  });

  it('may be pasted with blanks around it, and with a fingerprint in capitals', () => {
    expect(parseJoinToken(`  ${word}\n`)).toEqual(token);
    expect(parseJoinToken(word.replace('ab'.repeat(32), 'AB'.repeat(32)))).toEqual(token);
  });

  it.each([
    'http://fleet.example:8443',
    'fleet.example:8443',
    'https://fleet.example/devices',
    'https://a b:1',
    'https://',
    '',
    'https://::1:8443',
    'https://fleet.example:70000',
    'https://user@fleet.example:1',
  ])('is not made for the address %j', (url) => {
    const error = errorOf(() => formatJoinToken({ ...token, url }));
    expect(error.message).toMatch(/Expected an address such as https:\/\/fleet\.example:8443/);
    expect(error.message).not.toContain(token.secret);
  });

  it('is not made of a secret or a fingerprint that could not be read again', () => {
    errorOf(() => formatJoinToken({ ...token, secret: 'short' }));
    errorOf(() => formatJoinToken({ ...token, secret: `${token.secret}.x` }));
    errorOf(() => formatJoinToken({ ...token, caFingerprint: 'abc' }));
  });

  it('that is damaged is refused, wherever, and the message never repeats the secret', () => {
    const [, secret = '', fingerprint = ''] = word.split('.');
    const damaged = [
      word.slice(0, 20),
      word.slice(0, -5),
      word.replace(fingerprint, fingerprint.slice(1)),
      word.replace(fingerprint, `${fingerprint}0`),
      word.replace(fingerprint, `g${fingerprint.slice(1)}`),
      word.replace(secret, ''),
      word.replace(secret, 'abc'),
      word.replace('fleet', 'fle et'),
      word.replace(':8443', ':0'),
      word.replace(':8443', ':84430'),
      word.replace(':8443', ''),
      `${word} ${word}`,
      `${word}.more`,
      `${word}/`,
    ];
    for (const text of damaged) {
      const error = errorOf(() => parseJoinToken(text));
      expect(error.code).toBe('join-token-malformed');
      expect([text, error.message]).toEqual([
        text,
        'The join token is cut off or damaged. Copy the whole word once more.',
      ]);
    }
  });

  it('cut off anywhere before its port is refused', () => {
    for (let length = 'aviary-join.'.length; length <= word.lastIndexOf(':') + 1; length += 1) {
      errorOf(() => parseJoinToken(word.slice(0, length)));
    }
  });

  it.each(['', 'hello', 'aviary-join', 'https://fleet.example:8443', `x${word}`])(
    'is not %j: how to make one',
    (text) => {
      expect(errorOf(() => parseJoinToken(text)).message).toMatch(
        /begins with "aviary-join\.".*aviary device enroll-token/,
      );
    },
  );
});
