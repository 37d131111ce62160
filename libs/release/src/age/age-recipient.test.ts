import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { describe, expect, it } from 'vitest';
import { ageRecipientOf, decodeAgeIdentity, decodeAgeRecipient, generateAgeIdentity, x25519 } from './age-recipient.ts';

describe('age keys', () => {
  it('agree with typage in both directions', async () => {
    const ours = generateAgeIdentity();
    expect(ours).toMatch(/^AGE-SECRET-KEY-1[0-9A-Z]{58}$/);
    expect(await identityToRecipient(ours)).toBe(ageRecipientOf(ours));
    const theirs = await generateX25519Identity();
    expect(ageRecipientOf(theirs)).toBe(await identityToRecipient(theirs));
  });

  it('are different each time', () => {
    expect(generateAgeIdentity()).not.toBe(generateAgeIdentity());
  });

  it.each([
    ['nothing', ''],
    ['an identity', generateAgeIdentity()],
    ['a wrong checksum', `${ageRecipientOf(generateAgeIdentity()).slice(0, -4)}qqqq`],
    ['another prefix', 'abc1qqqsyqcyq5rqwzqfmvld6'],
    ['another length', 'age1qqqsyqcy8l6w6g'],
  ])('refuse %s as a recipient', (_, text) => {
    expect(() => decodeAgeRecipient(text)).toThrow(expect.objectContaining({ code: 'age-key-invalid' }));
  });

  it('never repeat a damaged identity in the error', () => {
    const damaged = `${generateAgeIdentity().slice(0, -1)}!`;
    expect(() => decodeAgeIdentity(damaged)).toThrow(
      expect.objectContaining({ code: 'age-key-invalid', message: expect.not.stringContaining(damaged.slice(20, 40)) }),
    );
  });

  it('refuse a public key of low order', () => {
    const secret = decodeAgeIdentity(generateAgeIdentity());
    expect(() => x25519(secret, Buffer.alloc(32))).toThrow(expect.objectContaining({ code: 'age-key-invalid' }));
  });
});
