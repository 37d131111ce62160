import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMasterKey, generateMasterKey, keyIdOf, MasterKey, parseMasterKey } from './master-key.ts';

const key = generateMasterKey();
const refusal = expect.objectContaining({
  code: 'master-key',
  message: expect.stringContaining('does not open with the master key that it names'),
});

/** A value without a mark, sealed under no name: what published vectors without associated data are to it. */
const opened = (vector: { key: string; iv: string; tag: string; ciphertext: string }) =>
  new MasterKey(Buffer.from(vector.key, 'hex'))
    .openUnmarked('', Buffer.from(vector.iv + vector.tag + vector.ciphertext, 'hex'))
    .toString('hex');

describe('MasterKey', () => {
  it.each([
    [
      'case 13 of McGrew and Viega',
      {
        key: '00'.repeat(32),
        iv: '00'.repeat(12),
        tag: '530f8afbc74536b9a963b4f1c4cb738b',
        ciphertext: '',
      },
      '',
    ],
    [
      'case 14 of McGrew and Viega',
      {
        key: '00'.repeat(32),
        iv: '00'.repeat(12),
        tag: 'd0d1c8a799996bf0265b98b5d48ab919',
        ciphertext: 'cea7403d4d606b6e074ec5d3baf39d18',
      },
      '00'.repeat(16),
    ],
    [
      'the first of NIST (CAVS 14.0, gcmDecrypt256)',
      {
        key: 'f5a2b27c74355872eb3ef6c5feafaa740e6ae990d9d48c3bd9bb8235e589f010',
        iv: '58d2240f580a31c1d24948e9',
        tag: '15e051a5e4a5f5da6cea92e2ebee5bac',
        ciphertext: '',
      },
      '',
    ],
  ])('opens %s', (_, vector, plaintext) => {
    expect(opened(vector)).toBe(plaintext);
  });

  it('refuses what NIST says fails (CAVS 14.0, gcmDecrypt256, count 1)', () => {
    const vector = {
      key: 'e5a8123f2e2e007d4e379ba114a2fb66e6613f57c72d4e4f024964053028a831',
      iv: '51e43385bf533e168427e1ad',
      tag: '38fe845c66e66bdd884c2aecafd280e6',
      ciphertext: '',
    };
    expect(() => opened(vector)).toThrow(expect.objectContaining({ code: 'master-key' }));
  });

  it('opens what it sealed, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ maxLength: 300 }), (name, secret) => {
        expect(key.open(name, key.seal(name, secret))).toEqual(Buffer.from(secret));
      }),
    );
  });

  it('never seals the same to the same bytes', () => {
    expect(key.seal('name', Buffer.from('secret'))).not.toEqual(key.seal('name', Buffer.from('secret')));
  });

  it('has an id, the same for the same key, which each sealed value names', () => {
    expect(new MasterKey(key.bytes).id).toBe(key.id);
    expect(generateMasterKey().id).not.toBe(key.id);
    expect(keyIdOf(key.seal('name', Buffer.from('secret')))).toBe(key.id);
    expect(keyIdOf(randomBytes(60))).toBeUndefined();
    expect(keyIdOf(Buffer.alloc(0))).toBeUndefined();
  });

  it('does not open one secret in the place of another, nor under another key, nor one that names another key', () => {
    const sealed = key.seal('director-key', Buffer.from('secret'));
    const other = generateMasterKey();
    expect(() => key.open('fleet-ca', sealed)).toThrow(refusal);
    expect(() => other.open('director-key', sealed)).toThrow(refusal);
    const renamed = Buffer.concat([other.seal('director-key', Buffer.alloc(0)).subarray(0, 16), sealed.subarray(16)]);
    expect(() => other.open('director-key', renamed)).toThrow(refusal);
    expect(() => key.open('director-key', renamed)).toThrow(refusal);
  });

  it.each(['secret', ''])('does not open %j with any byte changed or cut off', (secret) => {
    const sealed = key.seal('name', Buffer.from(secret));
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(() => key.open('name', changed)).toThrow(refusal);
      expect(() => key.open('name', sealed.subarray(0, index))).toThrow(refusal);
    }
  });
});

describe('parseMasterKey', () => {
  it.each([
    ['base64', key.bytes.toString('base64')],
    ['base64 without padding', key.bytes.toString('base64url')],
    ['hex', encodeMasterKey(key)],
    ['white space around it', `\n ${key.bytes.toString('base64')}\r\n`],
  ])('reads %s', (_, text) => {
    expect(parseMasterKey(text, 'here').id).toBe(key.id);
  });

  it.each([
    ['', 'got nothing'],
    ['hunter2', 'got 7 characters'],
    [randomBytes(16).toString('hex'), 'got 32 characters'],
    [randomBytes(33).toString('base64'), 'got 44 characters'],
    [`${key.bytes.toString('base64')} ${key.bytes.toString('base64')}`, 'got 89 characters'],
  ])('refuses %j, and does not repeat it', (text, words) => {
    try {
      parseMasterKey(text, 'in /some/file');
      expect.unreachable();
    } catch (error) {
      const { message } = error as Error;
      expect(message).toContain('in /some/file');
      expect(message).toContain(words);
      if (text !== '') expect(message).not.toContain(text);
    }
  });
});
