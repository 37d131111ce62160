import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { signEnvelope } from '../documents/dsse.ts';
import { generateSigningKey, signerOf } from '../documents/signing-key.ts';
import { codeOf } from '../testing/code-of.ts';
import { encodeOmsBundle, type OmsBundle, signModel, verifyModel } from './oms.ts';

const signer = signerOf(generateSigningKey());
const keys = [signer.publicKeyPem];
const files = new Map([
  ['model.onnx', Buffer.from('weights')],
  ['acceptance/a.png', Buffer.from('picture')],
  ['manifest.json', Buffer.from('{}')],
]);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

interface Statement {
  _type: string;
  subject: { name: string; digest: { sha256: string } }[];
  predicateType: string;
  predicate: {
    serialization: Record<string, unknown>;
    resources: { name: string; algorithm: string; digest: string }[];
  };
}

function statementOf(bundle: OmsBundle): Statement {
  return JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) as Statement;
}

/** The same bundle over another statement, properly signed. */
function resigned(change: (statement: Statement) => void): OmsBundle {
  const bundle = signModel(files, signer, 'meter-reader');
  const statement = statementOf(bundle);
  change(statement);
  return {
    ...bundle,
    dsseEnvelope: signEnvelope('application/vnd.in-toto+json', Buffer.from(JSON.stringify(statement)), [signer]),
  };
}

describe('OpenSSF Model Signing', () => {
  it('writes the bundle and the statement of the format', () => {
    const bundle = signModel(files, signer, 'meter-reader');
    expect(bundle.mediaType).toBe('application/vnd.dev.sigstore.bundle.v0.3+json');
    expect(bundle.verificationMaterial).toEqual({
      publicKey: { hint: sha256(Buffer.from(signer.publicKeyPem)).toString('hex') },
      tlogEntries: [],
    });
    expect(bundle.dsseEnvelope.payloadType).toBe('application/vnd.in-toto+json');
    const names = ['acceptance/a.png', 'manifest.json', 'model.onnx'];
    const digests = names.map((name) => sha256(files.get(name) ?? Buffer.alloc(0)));
    expect(statementOf(bundle)).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'meter-reader', digest: { sha256: sha256(Buffer.concat(digests)).toString('hex') } }],
      predicateType: 'https://model_signing/signature/v1.0',
      predicate: {
        serialization: {
          method: 'files',
          hash_type: 'sha256',
          allow_symlinks: false,
          ignore_paths: ['.git', '.gitattributes', '.github', '.gitignore', 'model.sig'],
        },
        resources: names.map((name, index) => ({
          name,
          algorithm: 'sha256',
          digest: digests[index]?.toString('hex'),
        })),
      },
    });
  });

  it('verifies what it signed, with model.sig beside it', () => {
    const bytes = encodeOmsBundle(signModel(files, signer, 'meter-reader'));
    const verified = verifyModel(bytes, new Map([...files, ['model.sig', bytes]]), [
      signerOf(generateSigningKey()).publicKeyPem,
      signer.publicKeyPem,
    ]);
    expect(verified).toMatchObject({ name: 'meter-reader', keyId: signer.keyId });
    expect(verified.files.map((file) => file.name)).toEqual(['acceptance/a.png', 'manifest.json', 'model.onnx']);
  });

  it.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    ['a'.repeat(1_000_000), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
  ])('has the digest of FIPS 180-4 for a file %#', (content, expected) => {
    const [resource] = statementOf(signModel(new Map([['f', Buffer.from(content)]]), signer, 'm')).predicate.resources;
    expect(resource?.digest).toBe(expected);
  });

  it('sorts by code point, not by UTF-16 unit', () => {
    const bundle = signModel(
      new Map([
        ['\u{1F600}', Buffer.from('1')],
        ['\uFB01', Buffer.from('2')],
      ]),
      signer,
      'm',
    );
    expect(statementOf(bundle).predicate.resources.map(({ name }) => name)).toEqual(['\uFB01', '\u{1F600}']);
  });

  it.each<[string, string, Map<string, Buffer>]>([
    ['a changed file', 'oms-file-changed', new Map([...files, ['model.onnx', Buffer.from('Weights')]])],
    ['a missing file', 'oms-file-missing', new Map([...files].slice(1))],
    ['an extra file', 'oms-file-unlisted', new Map([...files, ['more', Buffer.from('x')]])],
    ['an extra file that OMS ignores', 'oms-file-unlisted', new Map([...files, ['.git/config', Buffer.from('x')]])],
  ])('refuses %s', (_, code, changed) => {
    const bundle = signModel(files, signer, 'meter-reader');
    expect(codeOf(() => verifyModel(bundle, changed, keys))).toBe(code);
  });

  it('refuses a stranger, also one who claims the trusted key', () => {
    const stranger = signerOf(generateSigningKey());
    const bundle = signModel(files, stranger, 'meter-reader');
    expect(codeOf(() => verifyModel(bundle, files, keys))).toBe('oms-untrusted');
    const claimed = { ...bundle, verificationMaterial: { publicKey: { hint: signer.keyId }, tlogEntries: [] } };
    expect(codeOf(() => verifyModel(claimed, files, keys))).toBe('oms-untrusted');
  });

  it('refuses a changed statement', () => {
    const bundle = signModel(files, signer, 'meter-reader');
    const statement = statementOf(bundle);
    statement.predicate.resources.pop();
    const payload = Buffer.from(JSON.stringify(statement)).toString('base64');
    const changed = { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, payload } };
    expect(codeOf(() => verifyModel(changed, files, keys))).toBe('oms-untrusted');
  });

  it.each<[string, string, (statement: Statement) => void]>([
    ['a root digest of other files', 'oms-inconsistent', (s) => s.predicate.resources.reverse()],
    ['a file listed twice', 'oms-inconsistent', (s) => s.predicate.resources.push(...s.predicate.resources)],
    ['a path that climbs', 'oms-inconsistent', (s) => Object.assign(s.predicate.resources[0] ?? {}, { name: '../x' })],
    ['another digest', 'oms-inconsistent', (s) => Object.assign(s.predicate.resources[0] ?? {}, { algorithm: 'md5' })],
    ['shards', 'oms-unsupported', (s) => Object.assign(s.predicate.serialization, { method: 'file-shard-1048576' })],
    ['another hash', 'oms-unsupported', (s) => Object.assign(s.predicate.serialization, { hash_type: 'blake2b' })],
    [
      'another predicate',
      'oms-unsupported',
      (s) => Object.assign(s, { predicateType: 'https://slsa.dev/provenance/v1' }),
    ],
    ['two subjects', 'oms-unsupported', (s) => s.subject.push(...s.subject)],
    ['no files', 'oms-unsupported', (s) => s.predicate.resources.splice(0)],
  ])('refuses %s, even signed', (_, code, change) => {
    expect(codeOf(() => verifyModel(resigned(change), files, keys))).toBe(code);
  });

  it('does not excuse an unsigned file by a signed ignore list', () => {
    const bundle = resigned((s) => Object.assign(s.predicate.serialization, { ignore_paths: ['more'] }));
    expect(codeOf(() => verifyModel(bundle, files, keys))).toBe('none');
    expect(codeOf(() => verifyModel(bundle, new Map([...files, ['more', Buffer.from('x')]]), keys))).toBe(
      'oms-file-unlisted',
    );
  });

  it.each([
    ['not JSON', Buffer.from('x')],
    ['another type', { mediaType: 'x' }],
    ['nothing', undefined],
  ])('refuses %s as a bundle', (_, bundle) => {
    expect(codeOf(() => verifyModel(bundle, files, keys))).toBe('oms-malformed');
  });

  it('signs no empty model', () => {
    expect(codeOf(() => signModel(new Map([['model.sig', Buffer.from('x')]]), signer, 'm'))).toBe('oms-malformed');
  });
});
