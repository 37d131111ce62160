import { createPublicKey as createKey, generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ageRecipientOf,
  type BuiltRelease,
  buildRelease,
  generateAgeIdentity,
  generateSigningKey,
  type OmsBundle,
  pae,
  publicKeyPem,
  SIGNATURE_FILE,
  signerOf,
  verifyModel,
} from '@aviary/release';
import { bundleFromJSON } from '@sigstore/bundle';
import { type TrustMaterial, toSignedEntity, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runModel } from '../../apps/cli/src/publishing/golden-outputs.ts';
import { readModelFolder } from '../../apps/cli/src/publishing/model-folder.ts';
import { runPeer } from '../support/peer.ts';
import { writeTestModel } from '../support/test-model.ts';

/** Debian's own: what else is called python3 here has other packages. */
const PYTHON = '/usr/bin/python3';
const MODEL_SIGNING = fileURLToPath(new URL('judges/model-signing.py', import.meta.url));

const signer = signerOf(generateSigningKey());
const stranger = signerOf(generateSigningKey());
const identity = generateAgeIdentity();
let directory: string;
let built: BuiltRelease;
/** What Debian's age and tar made of the sealed variant. */
let opened: string;
let publicKey: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-judges-'));
  const { code, stderr } = await runPeer(PYTHON, ['-c', 'import cryptography'], 'python3');
  if (code !== 0) throw new Error(`This needs Python's cryptography: apt-get install python3-cryptography\n${stderr}`);

  // As `aviary model push` does it, with our own recipient in the place of the control plane's.
  const folder = await writeTestModel(directory, { version: '1.0.0', manner: 'sure' });
  const { definition } = await readModelFolder(folder);
  built = await buildRelease({
    directory: folder,
    definition,
    releaseCounter: 1,
    rollbackFloor: 0,
    minAgent: '0.1.0',
    now: Date.now(),
    signer,
    recipient: ageRecipientOf(identity),
    outputDirectory: join(directory, 'built'),
    inspectModel: () => undefined,
    profilesFor: () => ['rpi5'],
    runModel,
  });
  opened = join(directory, 'grey');
  await unseal(opened);
  publicKey = join(directory, 'publisher.pem');
  await writeFile(publicKey, signer.publicKeyPem);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Opens the sealed variant with programs of Debian alone. */
async function unseal(folder: string): Promise<void> {
  const [variant] = built.variants;
  if (variant === undefined) throw new Error('expected one variant');
  const [sealed, key, tar] = ['variant.age', 'age.key', 'variant.tar'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(sealed, Buffer.concat([variant.ageHeader, await readFile(variant.payloadFile)]));
  await writeFile(key, `${identity}\n`);
  expect(await runPeer('age', ['-d', '-i', key, '-o', tar, sealed], 'age')).toMatchObject({ code: 0, stderr: '' });
  await mkdir(folder);
  expect(await runPeer('tar', ['-xf', tar, '-C', folder], 'tar')).toMatchObject({ code: 0, stderr: '' });
}

const bundleOf = async (folder: string): Promise<OmsBundle> =>
  JSON.parse(await readFile(join(folder, SIGNATURE_FILE), 'utf8')) as OmsBundle;

const modelSigning = (command: 'verify' | 'sign', folder: string, key: string) =>
  runPeer(PYTHON, ['-I', MODEL_SIGNING, command, folder, join(folder, SIGNATURE_FILE), key], 'python3');

/** All files below a folder, as our own verification takes them. */
async function filesOf(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path)] as const)),
  );
}

/** A copy of the opened model that somebody has been at. */
async function changed(name: string, change: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = join(directory, `changed-${name.replaceAll(/\W/g, '-')}`);
  await cp(opened, folder, { recursive: true });
  await change(folder);
  return folder;
}

const TAMPERED: readonly [string, string, string, (folder: string) => Promise<unknown>][] = [
  [
    'a changed file',
    'changed: model.onnx',
    'oms-file-changed',
    async (folder) => {
      const bytes = await readFile(join(folder, 'model.onnx'));
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
      await writeFile(join(folder, 'model.onnx'), bytes);
    },
  ],
  ['an added file', 'there but not signed: more', 'oms-file-unlisted', (folder) => writeFile(join(folder, 'more'), '')],
  [
    'an added file in a folder',
    'there but not signed: acceptance/more',
    'oms-file-unlisted',
    (folder) => writeFile(join(folder, 'acceptance', 'more'), 'x'),
  ],
  [
    'a file that OMS ignores by default',
    'there but not signed: .gitignore',
    'oms-file-unlisted',
    (folder) => writeFile(join(folder, '.gitignore'), 'x'),
  ],
  [
    'a removed file',
    'signed but not there: manifest.json',
    'oms-file-missing',
    (folder) => rm(join(folder, 'manifest.json')),
  ],
  [
    'the signature of another key',
    'signed by another key',
    'oms-untrusted',
    async (folder) => {
      const key = join(directory, 'another.key');
      await writeFile(key, generateSigningKey().export({ type: 'pkcs8', format: 'pem' }));
      await rm(join(folder, SIGNATURE_FILE));
      expect(await modelSigning('sign', folder, key)).toMatchObject({ code: 0 });
    },
  ],
  [
    'the signature of another key under the name of this one',
    'the signature does not hold',
    'oms-untrusted',
    async (folder) => {
      const bundle = await bundleOf(folder);
      const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64');
      const sig = stranger.sign(pae(bundle.dsseEnvelope.payloadType, payload)).toString('base64');
      const forged = { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures: [{ keyid: '', sig }] } };
      await writeFile(join(folder, SIGNATURE_FILE), JSON.stringify(forged));
    },
  ],
  [
    'a signed list that was changed afterwards',
    'the signature does not hold',
    'oms-untrusted',
    async (folder) => {
      const bundle = await bundleOf(folder);
      const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString().replace('"sha256"', '"sha512"');
      const forged = { ...bundle.dsseEnvelope, payload: Buffer.from(payload).toString('base64') };
      await writeFile(join(folder, SIGNATURE_FILE), JSON.stringify({ ...bundle, dsseEnvelope: forged }));
    },
  ],
];

describe('OpenSSF Model Signing, by a verifier written from its text', () => {
  it('takes what a push sealed, opened by age and tar of Debian', async () => {
    const answer = await modelSigning('verify', opened, publicKey);
    expect(answer.stderr).toBe('');
    const names = [...(await filesOf(opened)).keys()].filter((name) => name !== SIGNATURE_FILE).sort();
    expect(JSON.parse(answer.stdout.toString())).toEqual({ name: 'grey', files: names });
    expect(names).toContain('model.onnx');
  });

  it.each(TAMPERED)('refuses %s, as we do', async (name, words, code, change) => {
    const folder = await changed(name, change);
    const answer = await modelSigning('verify', folder, publicKey);
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain(`refused: ${words}`);
    const files = await filesOf(folder);
    const ours = () => verifyModel(files.get(SIGNATURE_FILE), files, [signer.publicKeyPem]);
    expect(ours).toThrow(expect.objectContaining({ code }));
  });

  it.each(['prime256v1', 'secp384r1'])('signs, with a key on %s, what we take', async (namedCurve) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve });
    const folder = join(directory, `signed-${namedCurve}`);
    await mkdir(join(folder, 'labels'), { recursive: true });
    // Names whose order by code point is not that of UTF-16, one that sorts around its own folder, an empty file.
    for (const name of ['\u{1F600}', '\uFB01', 'labels.txt', 'labels/a b', 'weights.bin']) {
      await writeFile(join(folder, name), name === 'weights.bin' ? '' : name);
    }
    const key = join(directory, `${namedCurve}.key`);
    await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    expect(await modelSigning('sign', folder, key)).toMatchObject({ code: 0, stderr: '' });
    const files = await filesOf(folder);
    const verified = verifyModel(files.get(SIGNATURE_FILE), files, [publicKeyPem(privateKey)]);
    expect(verified).toMatchObject({ name: `signed-${namedCurve}` });
    expect(verified.files.map(({ name }) => name)).toEqual([
      'labels.txt',
      'labels/a b',
      'weights.bin',
      '\uFB01',
      '\u{1F600}',
    ]);
  });
});

describe('openssl', () => {
  const dgst = async (key: string): Promise<string> => {
    const { payloadType, payload, signatures } = (await bundleOf(opened)).dsseEnvelope;
    await writeFile(join(directory, 'pae'), pae(payloadType, Buffer.from(payload, 'base64')));
    await writeFile(join(directory, 'signature.der'), Buffer.from(signatures[0]?.sig ?? '', 'base64'));
    await writeFile(join(directory, 'dgst.pem'), key);
    const files = ['-verify', join(directory, 'dgst.pem'), '-signature', join(directory, 'signature.der')];
    const answer = await runPeer('openssl', ['dgst', '-sha256', ...files, join(directory, 'pae')], 'openssl');
    return `${answer.code} ${answer.stdout.toString().trim()}`;
  };

  it('finds that the publisher signed the model, and nobody else', async () => {
    expect(await dgst(signer.publicKeyPem)).toBe('0 Verified OK');
    expect(await dgst(stranger.publicKeyPem)).toMatch(/^1 Verification failure/i);
  });
});

describe("sigstore's own verifier", () => {
  /** Trust in keys alone: no authorities, no logs. */
  const trustIn = (...trusted: (typeof signer)[]): TrustMaterial => ({
    certificateAuthorities: [],
    timestampAuthorities: [],
    tlogs: [],
    ctlogs: [],
    publicKey: (hint) => {
      const found = trusted.find(({ keyId }) => keyId === hint);
      if (found === undefined) throw new Error(`key ${hint} is not trusted`);
      return { publicKey: createKey(found.publicKeyPem), validFor: () => true };
    },
  });
  const verify = (bundle: unknown, trust: TrustMaterial) =>
    new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 }).verify(
      toSignedEntity(bundleFromJSON(bundle)),
    );

  it('takes the bundle of a model', async () => {
    const { key } = verify(await bundleOf(opened), trustIn(signer));
    expect(key.equals(createKey(signer.publicKeyPem))).toBe(true);
  });

  it('refuses it from a key that is not trusted, and when it was changed', async () => {
    const bundle = await bundleOf(opened);
    expect(() => verify(bundle, trustIn(stranger))).toThrow(/not trusted/);
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString().replace('grey', 'gray');
    const forged = {
      ...bundle,
      dsseEnvelope: { ...bundle.dsseEnvelope, payload: Buffer.from(payload).toString('base64') },
    };
    expect(() => verify(forged, trustIn(signer))).toThrow(expect.objectContaining({ code: 'SIGNATURE_ERROR' }));
  });
});
