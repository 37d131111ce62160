import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MasterKey } from './master-key.ts';

const key = new MasterKey(randomBytes(32));

describe('MasterKey', () => {
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

  it('does not open one secret in the place of another, nor under another key', () => {
    const sealed = key.seal('director-key', Buffer.from('secret'));
    const refusal = { code: 'master-key', message: expect.stringContaining('does not open with this master key') };
    expect(() => key.open('fleet-ca', sealed)).toThrow(expect.objectContaining(refusal));
    expect(() => new MasterKey(randomBytes(32)).open('director-key', sealed)).toThrow(expect.objectContaining(refusal));
  });

  it.each(['secret', ''])('does not open %j with any byte changed or cut off', (secret) => {
    const sealed = key.seal('name', Buffer.from(secret));
    const refusal = expect.objectContaining({ code: 'master-key' });
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(() => key.open('name', changed)).toThrow(refusal);
      expect(() => key.open('name', sealed.subarray(0, index))).toThrow(refusal);
    }
  });
});
