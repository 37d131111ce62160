import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { codeOf } from '../testing/code-of.ts';
import { type DsseEnvelope, pae, signDocument, signEnvelope, verifyDocument, verifyEnvelope } from './dsse.ts';
import { generateSigningKey, signerOf } from './signing-key.ts';

const TYPE = 'application/vnd.example+json';
const [one, two, three] = [1, 2, 3].map(() => signerOf(generateSigningKey())) as [
  ReturnType<typeof signerOf>,
  ReturnType<typeof signerOf>,
  ReturnType<typeof signerOf>,
];
const payload = Buffer.from('{"a":1}');
const keys = [one.publicKeyPem, two.publicKeyPem, three.publicKeyPem];

describe('DSSE', () => {
  it('encodes the example of its protocol', () => {
    expect(pae('http://example.com/HelloWorld', Buffer.from('hello world')).toString()).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    );
  });

  it('counts bytes, not characters', () => {
    expect(pae('é', Buffer.from('é')).toString()).toBe('DSSEv1 2 é 2 é');
  });

  it('gives the payload back, and who signed', () => {
    const verified = verifyEnvelope(signEnvelope(TYPE, payload, [two]), TYPE, keys);
    expect(verified.payload).toEqual(payload);
    expect(verified.keyIds).toEqual([two.keyId]);
  });

  it('survives JSON', () => {
    const travelled: unknown = JSON.parse(JSON.stringify(signEnvelope(TYPE, payload, [one])));
    expect(verifyEnvelope(travelled, TYPE, keys).payload).toEqual(payload);
  });

  it('needs no key id, and believes none', () => {
    const { signatures, ...rest } = signEnvelope(TYPE, payload, [one]);
    const [signature] = signatures;
    expect(verifyEnvelope({ ...rest, signatures: [{ sig: signature?.sig }] }, TYPE, keys).keyIds).toEqual([one.keyId]);
    const claimed = { ...rest, signatures: [{ sig: signature?.sig, keyid: two.keyId }] };
    expect(verifyEnvelope(claimed, TYPE, keys).keyIds).toEqual([one.keyId]);
    expect(codeOf(() => verifyEnvelope(claimed, TYPE, [two.publicKeyPem]))).toBe('dsse-untrusted');
  });

  it('holds to the threshold, and counts each key once', () => {
    const both = signEnvelope(TYPE, payload, [one, two]);
    expect(verifyEnvelope(both, TYPE, keys, 2).keyIds).toEqual([one.keyId, two.keyId]);
    expect(codeOf(() => verifyEnvelope(both, TYPE, keys, 3))).toBe('dsse-threshold');
    const twice = signEnvelope(TYPE, payload, [one, one]);
    expect(codeOf(() => verifyEnvelope(twice, TYPE, keys, 2))).toBe('dsse-threshold');
    expect(codeOf(() => verifyEnvelope(twice, TYPE, [one.publicKeyPem, one.publicKeyPem], 2))).toBe('dsse-threshold');
    expect(() => verifyEnvelope(both, TYPE, keys, 0)).toThrow(RangeError);
  });

  it.each<[string, string, (envelope: DsseEnvelope) => unknown]>([
    ['another payload', 'dsse-untrusted', (e) => ({ ...e, payload: Buffer.from('{"a":2}').toString('base64') })],
    ['another type', 'dsse-wrong-type', (e) => ({ ...e, payloadType: 'text/plain' })],
    ['no signature', 'dsse-malformed', (e) => ({ ...e, signatures: [] })],
    ['a damaged signature', 'dsse-untrusted', (e) => ({ ...e, signatures: [{ keyid: '', sig: 'AAAA' }] })],
    ['no base64', 'dsse-malformed', (e) => ({ ...e, payload: '!' })],
    ['another shape', 'dsse-malformed', () => null],
  ])('refuses %s: %s', (_, code, change) => {
    const envelope = signEnvelope(TYPE, payload, [one]);
    expect(codeOf(() => verifyEnvelope(change(envelope), TYPE, keys))).toBe(code);
  });

  it('does not let one type pass for another', () => {
    const envelope = { ...signEnvelope('text/plain', payload, [one]), payloadType: TYPE };
    expect(codeOf(() => verifyEnvelope(envelope, TYPE, keys))).toBe('dsse-untrusted');
  });

  it('refuses strangers, and trusts nobody by default', () => {
    const stranger = signerOf(generateSigningKey());
    expect(codeOf(() => verifyEnvelope(signEnvelope(TYPE, payload, [stranger]), TYPE, keys))).toBe('dsse-untrusted');
    expect(codeOf(() => verifyEnvelope(signEnvelope(TYPE, payload, [one]), TYPE, []))).toBe('dsse-untrusted');
    expect(codeOf(() => signEnvelope(TYPE, payload, []))).toBe('dsse-malformed');
  });

  it('checks the content of a document only after its signature', () => {
    const schema = z.object({ a: z.number() });
    expect(verifyDocument(signDocument(TYPE, { a: 1 }, [one]), TYPE, schema, keys)).toEqual({ a: 1 });
    const wrong = signDocument(TYPE, { a: 'x' }, [one]);
    expect(codeOf(() => verifyDocument(wrong, TYPE, schema, keys))).toBe('dsse-content-invalid');
    expect(codeOf(() => verifyDocument(wrong, TYPE, schema, [two.publicKeyPem]))).toBe('dsse-untrusted');
    const text = signEnvelope(TYPE, Buffer.from('not json'), [one]);
    expect(codeOf(() => verifyDocument(text, TYPE, schema, keys))).toBe('dsse-content-invalid');
  });
});
