import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type DsseEnvelope, DsseError, dsseEnvelopeSchema, signEnvelope, verifyEnvelope } from '../documents/dsse.ts';
import { keyId, type Signer } from '../documents/signing-key.ts';
import { isArchivePath, SIGNATURE_FILE } from './manifest.ts';
import { sortedNames } from './variant-archive.ts';

const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';
// Always excluded by OMS (6.2), whether or not they are there.
const DEFAULT_IGNORED = ['.git', '.gitattributes', '.github', '.gitignore'];

export type OmsErrorCode =
  | 'oms-malformed'
  | 'oms-unsupported'
  | 'oms-untrusted'
  | 'oms-inconsistent'
  | 'oms-file-missing'
  | 'oms-file-unlisted'
  | 'oms-file-changed';

/** A model that its signature does not vouch for; `code` says why. */
export class OmsError extends Error {
  readonly code: OmsErrorCode;
  constructor(code: OmsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OmsError';
    this.code = code;
  }
}

/** A sigstore bundle v0.3 around the signature, as it lies in `model.sig` (key method, no transparency log). */
export interface OmsBundle {
  mediaType: string;
  verificationMaterial: { publicKey: { hint: string }; tlogEntries: never[] };
  dsseEnvelope: DsseEnvelope;
}

export interface VerifiedModel {
  /** The signed subject's name. */
  readonly name: string;
  /** SHA-256 over the concatenated file digests, hex. */
  readonly rootDigest: string;
  /** Id of the trusted key that signed. */
  readonly keyId: string;
  /** What was signed, in the order of names. */
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
}

const bundleSchema = z.object({
  mediaType: z.literal(BUNDLE_TYPE),
  verificationMaterial: z.object({ publicKey: z.object({ hint: z.string().min(1) }) }),
  dsseEnvelope: dsseEnvelopeSchema,
});

const hexDigestSchema = z.string().regex(/^[0-9a-f]{64}$/);

const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.tuple([z.object({ name: z.string().min(1), digest: z.object({ sha256: hexDigestSchema }) })]),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.object({
    serialization: z.object({
      method: z.string(),
      hash_type: z.string(),
      allow_symlinks: z.boolean(),
      ignore_paths: z.array(z.string()).optional(),
    }),
    resources: z.array(z.object({ name: z.string(), algorithm: z.string(), digest: z.string() })).min(1),
  }),
});

/**
 * Signs a set of files after OpenSSF Model Signing, method `files`, SHA-256, key-based. `model.sig` itself is left out.
 * @param name what the signed subject is called, e.g. `meter-reader`.
 */
export function signModel(files: ReadonlyMap<string, Uint8Array>, signer: Signer, name: string): OmsBundle {
  const names = sortedNames(files.keys()).filter((file) => file !== SIGNATURE_FILE);
  if (names.length === 0) throw new OmsError('oms-malformed', 'expected at least one file to sign, got none');
  const resources = names.map((file) => {
    if (!isArchivePath(file))
      throw new OmsError('oms-malformed', `expected relative paths, got ${JSON.stringify(file)}`);
    return { name: file, algorithm: 'sha256', digest: sha256(files.get(file) ?? new Uint8Array()) };
  });
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: rootDigest(resources.map(({ digest }) => digest)) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: [...DEFAULT_IGNORED, SIGNATURE_FILE],
      },
      resources,
    },
  };
  const envelope = signEnvelope(PAYLOAD_TYPE, Buffer.from(JSON.stringify(statement), 'utf8'), [signer]);
  return {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint: signer.keyId }, tlogEntries: [] },
    // OMS names the key in verificationMaterial; its own signer leaves keyid empty.
    dsseEnvelope: { ...envelope, signatures: envelope.signatures.map(({ sig }) => ({ keyid: '', sig })) },
  };
}

/** The bytes of `model.sig`. */
export function encodeOmsBundle(bundle: OmsBundle): Buffer {
  return Buffer.from(JSON.stringify(bundle), 'utf8');
}

/**
 * Checks that exactly these files (but `model.sig`) were signed by a trusted key. Paths that the signature says were
 * ignored are not excused: an archive has nothing that is not signed.
 * @param bundle bytes of `model.sig`, or the parsed JSON.
 * @param trustedKeys public keys, SPKI PEM, P-256 or P-384.
 * @throws OmsError
 */
export function verifyModel(
  bundle: unknown,
  files: ReadonlyMap<string, Uint8Array>,
  trustedKeys: readonly string[],
): VerifiedModel {
  return verifyModelDigests(bundle, new Map([...files].map(([name, bytes]) => [name, sha256(bytes)])), trustedKeys);
}

/**
 * {@link verifyModel} for files that were hashed while they were read.
 * @param digests SHA-256 of each file, hex.
 * @throws OmsError
 */
export function verifyModelDigests(
  bundle: unknown,
  digests: ReadonlyMap<string, string>,
  trustedKeys: readonly string[],
): VerifiedModel {
  const signed = verifySignedList(bundle, trustedKeys);
  const listed = new Map(signed.files.map(({ name, sha256: digest }) => [name, digest]));
  for (const [name, digest] of listed) {
    const found = digests.get(name);
    if (found === undefined) throw new OmsError('oms-file-missing', `${name} was signed but is not there`);
    if (found !== digest) throw new OmsError('oms-file-changed', `${name} was changed after it was signed`);
  }
  for (const name of digests.keys()) {
    if (name !== SIGNATURE_FILE && !listed.has(name)) {
      throw new OmsError('oms-file-unlisted', `${name} is there but was not signed`);
    }
  }
  return signed;
}

/**
 * The list of files that a trusted key has signed, and nothing about the files themselves.
 * @param bundle bytes of `model.sig`, or the parsed JSON.
 * @param trustedKeys public keys, SPKI PEM, P-256 or P-384.
 * @throws OmsError
 */
export function verifySignedList(bundle: unknown, trustedKeys: readonly string[]): VerifiedModel {
  const parsed = bundleSchema.safeParse(bundle instanceof Uint8Array ? parseJson(bundle, SIGNATURE_FILE) : bundle);
  if (!parsed.success) throw new OmsError('oms-malformed', `not an OMS bundle: ${z.prettifyError(parsed.error)}`);
  const { hint } = parsed.data.verificationMaterial.publicKey;
  const trusted = trustedKeys.filter((pem) => keyId(pem) === hint);
  if (trusted.length === 0) {
    throw new OmsError('oms-untrusted', `the model is signed by key ${hint.slice(0, 12)}, which is not trusted here`);
  }
  const statement = parseStatement(verifiedPayload(parsed.data.dsseEnvelope, trusted));
  const { serialization, resources } = statement.predicate;
  if (serialization.method !== 'files' || serialization.hash_type !== 'sha256') {
    throw new OmsError(
      'oms-unsupported',
      `expected method files with sha256, got ${serialization.method} with ${serialization.hash_type}`,
    );
  }
  const listed = new Map<string, string>();
  for (const { name, algorithm, digest } of resources) {
    if (
      algorithm !== 'sha256' ||
      !hexDigestSchema.safeParse(digest).success ||
      !isArchivePath(name) ||
      listed.has(name)
    ) {
      throw new OmsError('oms-inconsistent', `the signed list has an unusable entry ${JSON.stringify(name)}`);
    }
    listed.set(name, digest);
  }
  const [subject] = statement.subject;
  // Both orders agree for a proper signer; the digest is taken over the list as signed.
  if (rootDigest([...listed.values()]) !== subject.digest.sha256) {
    throw new OmsError('oms-inconsistent', 'the signed root digest does not fit the signed list of files');
  }
  return {
    name: subject.name,
    rootDigest: subject.digest.sha256,
    keyId: hint,
    files: [...listed].map(([name, digest]) => ({ name, sha256: digest })),
  };
}

function verifiedPayload(envelope: z.infer<typeof dsseEnvelopeSchema>, trusted: readonly string[]): Buffer {
  try {
    return verifyEnvelope(envelope, PAYLOAD_TYPE, trusted).payload;
  } catch (cause) {
    if (!(cause instanceof DsseError)) throw cause;
    const code = cause.code === 'dsse-untrusted' ? 'oms-untrusted' : 'oms-malformed';
    throw new OmsError(code, `the model's signature does not hold: ${cause.message}`, { cause });
  }
}

function parseStatement(payload: Buffer): z.infer<typeof statementSchema> {
  const parsed = statementSchema.safeParse(parseJson(payload, 'the signed statement'));
  if (!parsed.success) {
    throw new OmsError('oms-unsupported', `not an OMS v1.0 statement: ${z.prettifyError(parsed.error)}`);
  }
  return parsed.data;
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new OmsError('oms-malformed', `${what} is not JSON`, { cause });
  }
}

function rootDigest(digests: readonly string[]): string {
  const hash = createHash('sha256');
  for (const digest of digests) hash.update(Buffer.from(digest, 'hex'));
  return hash.digest('hex');
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
