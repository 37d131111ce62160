import { z } from 'zod';
import { decodePublicKey, isSignedBy, keyId, type Signer } from './signing-key.ts';

export type DsseErrorCode =
  | 'dsse-malformed'
  | 'dsse-wrong-type'
  | 'dsse-untrusted'
  | 'dsse-threshold'
  | 'dsse-content-invalid';

/** An envelope that must not be believed; `code` says why. */
export class DsseError extends Error {
  readonly code: DsseErrorCode;
  constructor(code: DsseErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DsseError';
    this.code = code;
  }
}

/** DSSE envelope (secure-systems-lab/dsse v1, envelope.md). `payload` and `sig` are standard base64. */
export const dsseEnvelopeSchema = z.object({
  payloadType: z.string().min(1),
  payload: z.base64(),
  signatures: z
    .array(z.object({ keyid: z.string().nullish(), sig: z.base64() }))
    .min(1)
    .max(16),
});

export interface DsseEnvelope {
  payloadType: string;
  payload: string;
  signatures: { keyid: string; sig: string }[];
}

/** The payload, and the ids of the distinct trusted keys that signed it. */
export interface VerifiedEnvelope {
  readonly payload: Buffer;
  readonly keyIds: readonly string[];
}

/** Pre-authentication encoding, the bytes that are really signed (DSSE v1, protocol.md). */
export function pae(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `, 'utf8'),
    type,
    Buffer.from(` ${payload.length} `, 'utf8'),
    payload,
  ]);
}

/** Signs `payload` with every signer (at least one). */
export function signEnvelope(payloadType: string, payload: Uint8Array, signers: readonly Signer[]): DsseEnvelope {
  if (signers.length === 0) throw new DsseError('dsse-malformed', 'expected at least one signer, got none');
  const message = pae(payloadType, payload);
  return {
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: signers.map((signer) => ({ keyid: signer.keyId, sig: signer.sign(message).toString('base64') })),
  };
}

/**
 * Checks an envelope from outside. Every signature is tried with every trusted key: `keyid` is a hint that nobody
 * signed, so it decides nothing. A key counts once, however often it signed.
 * @param trustedKeys public keys, SPKI PEM.
 * @param threshold how many distinct trusted keys must have signed.
 * @throws DsseError `dsse-malformed`, `dsse-wrong-type`, `dsse-untrusted` (no trusted key signed), `dsse-threshold`.
 */
export function verifyEnvelope(
  envelope: unknown,
  payloadType: string,
  trustedKeys: readonly string[],
  threshold = 1,
): VerifiedEnvelope {
  if (!Number.isInteger(threshold) || threshold < 1) {
    throw new RangeError(`expected a threshold of 1 or more, got ${threshold}`);
  }
  const parsed = dsseEnvelopeSchema.safeParse(envelope);
  if (!parsed.success) {
    throw new DsseError('dsse-malformed', `not a DSSE envelope: ${z.prettifyError(parsed.error)}`);
  }
  if (parsed.data.payloadType !== payloadType) {
    throw new DsseError('dsse-wrong-type', `expected payload type ${payloadType}, got ${parsed.data.payloadType}`);
  }
  const payload = Buffer.from(parsed.data.payload, 'base64');
  const message = pae(payloadType, payload);
  const signatures = parsed.data.signatures.map(({ sig }) => Buffer.from(sig, 'base64'));
  const keys = new Map(trustedKeys.map((pem) => [keyId(pem), decodePublicKey(pem)]));
  const keyIds = [...keys]
    .filter(([, key]) => signatures.some((signature) => isSignedBy(key, message, signature)))
    .map(([id]) => id);
  if (keyIds.length === 0) {
    throw new DsseError(
      'dsse-untrusted',
      `none of the ${keys.size} trusted keys signed this ${payloadType}; its signatures name ${parsed.data.signatures
        .map(({ keyid }) => keyid?.slice(0, 12) || 'no key')
        .join(', ')}`,
    );
  }
  if (keyIds.length < threshold) {
    throw new DsseError('dsse-threshold', `expected ${threshold} trusted signatures, got ${keyIds.length}`);
  }
  return { payload, keyIds };
}

/** Signs `content` as JSON. */
export function signDocument(payloadType: string, content: unknown, signers: readonly Signer[]): DsseEnvelope {
  return signEnvelope(payloadType, Buffer.from(JSON.stringify(content), 'utf8'), signers);
}

/**
 * {@link verifyEnvelope}, then the payload as JSON of the given schema.
 * @throws DsseError also `dsse-content-invalid` when a trusted key signed something of another shape.
 */
export function verifyDocument<T>(
  envelope: unknown,
  payloadType: string,
  schema: z.ZodType<T>,
  trustedKeys: readonly string[],
  threshold = 1,
): T {
  const { payload } = verifyEnvelope(envelope, payloadType, trustedKeys, threshold);
  let content: unknown;
  try {
    content = JSON.parse(payload.toString('utf8'));
  } catch (cause) {
    throw new DsseError('dsse-content-invalid', `the signed ${payloadType} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) {
    throw new DsseError(
      'dsse-content-invalid',
      `the signed ${payloadType} is invalid: ${z.prettifyError(parsed.error)}`,
    );
  }
  return parsed.data;
}
