import { randomBytes } from 'node:crypto';
import {
  ageRecipientOf,
  createHeader,
  encodeManifest,
  encodeOmsBundle,
  FILE_KEY_BYTES,
  generateAgeIdentity,
  MANIFEST_FILE,
  packArchive,
  type ReleaseManifest,
  type ReleaseStatement,
  type Runtime,
  SIGNATURE_FILE,
  sealPayload,
  signModel,
} from '@aviary/release';
import { newSigner, RepositorySimulator } from '@aviary/release/testing';
import type { Identity } from '../identity/identity.ts';
import { plainFiles } from '../identity/key-keeping.ts';
import { LIGHT_MANIFEST } from '../inference/testing/light-manifest.ts';
import type { HeldRelease } from '../state/journal.ts';
import { sha256Of } from './releases.ts';

const repository = new RepositorySimulator();
/** Image repositories of one and the same fleet: what one of them publishes, none of the others has. */
export const newRepository = (): RepositorySimulator =>
  new RepositorySimulator({ roles: repository.edition.roles, directorKeys: [director.publicKeyPem] });
export const { publisher, director } = repository;
/** Somebody whom nobody trusts. */
export const stranger = newSigner();

const ageIdentity = generateAgeIdentity();
/** A device that trusts `publisher` and `director`. */
export const identity: Identity = {
  deviceId: 'd-one',
  epoch: 1,
  deviceUrl: 'https://127.0.0.1:1',
  mqttUrl: 'mqtts://127.0.0.1:1',
  root: repository.pinnedRoot,
  key: '',
  certificate: '',
  fleetCa: '',
  ageIdentity,
  keeping: plainFiles,
};

export interface SealedRelease {
  readonly statement: ReleaseStatement;
  /** What is inside, by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** As it lies in the blob store. */
  readonly sealed: Buffer;
  readonly held: HeldRelease;
}

/** Makes a release of a few files for `identity`: signed, packed and sealed as a publisher does it. */
export const sealRelease = async (
  release = 'a@1.0.0',
  change: {
    readonly releaseCounter?: number;
    readonly rollbackFloor?: number;
    readonly minAgent?: string;
    /** What its target says that runs it. */
    readonly runtime?: Runtime;
    readonly signer?: typeof publisher;
    readonly manifest?: Partial<ReleaseManifest>;
    /** What is in the archive instead of a few files that only look like a model. */
    readonly files?: ReadonlyMap<string, Uint8Array>;
    /** What is in the archive after it was signed. */
    readonly tamper?: (files: Map<string, Uint8Array>) => void;
  } = {},
): Promise<SealedRelease> => {
  const { releaseCounter = 1, rollbackFloor = 0, signer = publisher, runtime = 'onnxruntime' } = change;
  const files = new Map<string, Uint8Array>(
    change.files ?? [
      [MANIFEST_FILE, encodeManifest({ ...manifestOf(release, releaseCounter, rollbackFloor), ...change.manifest })],
      ['model.onnx', Buffer.from(`model of ${release}`)],
      ['acceptance/0.png', Buffer.from('picture')],
    ],
  );
  const signature = encodeOmsBundle(signModel(files, signer, 'model'));
  files.set(SIGNATURE_FILE, signature);
  change.tamper?.(files);
  const tar = await packArchive(files);
  const fileKey = randomBytes(FILE_KEY_BYTES);
  const chunks: Buffer[] = [];
  for await (const chunk of sealPayload(fileKey, [tar])) chunks.push(chunk);
  const sealed = Buffer.concat(chunks);
  const target = {
    path: `${release.replace('@', '/')}/onnx-fp32.age-payload`,
    variant: 'onnx-fp32',
    runtime,
    format: 'onnx' as const,
    precision: 'fp32' as const,
    profiles: ['rpi4', 'rpi5', 'x86-64'],
    length: sealed.length,
    sha256: sha256Of(sealed),
    plaintextSha256: sha256Of(tar),
    plaintextLength: tar.length,
    omsSha256: sha256Of(signature),
  };
  return {
    statement: {
      release,
      releaseCounter,
      rollbackFloor,
      minAgent: change.minAgent ?? '0.1.0',
      issuedAt: 1_000,
      targets: [target],
      publisherKey: signer.publicKeyPem,
    },
    files,
    sealed,
    held: {
      release,
      variant: target.variant,
      releaseCounter,
      rollbackFloor,
      sha256: target.sha256,
      length: target.length,
      digest: target.plaintextSha256,
      ageHeader: createHeader(fileKey, ageRecipientOf(ageIdentity)).toString('base64'),
      targetPath: target.path,
      publisherKey: signer.publicKeyPem,
    },
  };
};

const manifestOf = (release: string, releaseCounter: number, rollbackFloor: number): ReleaseManifest => ({
  ...LIGHT_MANIFEST,
  release,
  releaseCounter,
  rollbackFloor,
  acceptance: { limits: {}, samples: [{ file: 'acceptance/0.png', label: 'dark' }], golden: [] },
});
