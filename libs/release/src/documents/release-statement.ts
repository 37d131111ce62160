import { z } from 'zod';
import {
  archivePathSchema,
  formatSchema,
  precisionSchema,
  requirementsSchema,
  runtimeSchema,
  variantIdSchema,
} from '../archive/manifest.ts';
import { releaseNameSchema, versionSchema } from '../release-name.ts';
import { type DsseEnvelope, signDocument, verifyDocument } from './dsse.ts';
import type { Signer } from './signing-key.ts';

export const RELEASE_STATEMENT_TYPE = 'application/vnd.aviary.release+json';

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits (SHA-256)');
const byteCountSchema = z.number().int().nonnegative();

/** One variant as it lies in the blob store: an age payload (nonce and chunks, no header) over a deterministic tar. */
export const releaseTargetSchema = z.object({
  /** Name under which the bytes are known, e.g. `meter-reader/1.4.0/onnx-fp32.age-payload`. */
  path: archivePathSchema,
  variant: variantIdSchema,
  runtime: runtimeSchema,
  format: formatSchema,
  precision: precisionSchema,
  requires: requirementsSchema.optional(),
  /** Bytes of the sealed payload. */
  length: byteCountSchema,
  /** SHA-256 of the sealed payload. */
  sha256: sha256Schema,
  /** SHA-256 of the tar inside. */
  plaintextSha256: sha256Schema,
  /** Bytes of the tar inside. */
  plaintextLength: byteCountSchema,
  /** SHA-256 of the tar's `model.sig`. */
  omsSha256: sha256Schema,
  /** What a federated round has to know; see the manifest's `training`. */
  training: z
    .object({
      backbone: sha256Schema,
      base: sha256Schema,
      features: z.number().int().positive(),
      classes: z.number().int().min(2),
    })
    .optional(),
});
export type ReleaseTarget = z.infer<typeof releaseTargetSchema>;

/** Where a release comes from that was built from a federated round. */
export const lineageSchema = z.object({
  /** The release whose head was improved. */
  parent: releaseNameSchema,
  round: z.uuid(),
  /** SHA-256 of the aggregated update that was added to the parent's head. */
  updateSha256: sha256Schema,
  /** Devices whose updates it holds, and the labelled samples behind them. */
  devices: z.number().int().positive(),
  samples: z.number().int().positive(),
});
export type Lineage = z.infer<typeof lineageSchema>;

/** What the publisher signs over a whole release. */
export const releaseStatementSchema = z
  .object({
    release: releaseNameSchema,
    /** Strictly increasing per model; a device compares it with its floor. */
    releaseCounter: z.number().int().positive(),
    /** Once this release is committed, a device never again takes a counter under this. */
    rollbackFloor: z.number().int().nonnegative(),
    /** Oldest agent that understands this release. */
    minAgent: versionSchema,
    /** Milliseconds since 1970, the publisher's clock. */
    issuedAt: z.number().int().nonnegative(),
    targets: z.array(releaseTargetSchema).min(1),
    lineage: lineageSchema.optional(),
  })
  .superRefine((statement, context) => {
    if (statement.rollbackFloor > statement.releaseCounter) {
      context.addIssue({
        code: 'custom',
        path: ['rollbackFloor'],
        message: `expected at most the release counter ${statement.releaseCounter}: a release may not forbid itself`,
      });
    }
    for (const key of ['path', 'variant'] as const) {
      if (new Set(statement.targets.map((target) => target[key])).size !== statement.targets.length) {
        context.addIssue({ code: 'custom', path: ['targets'], message: `expected each ${key} once` });
      }
    }
  });
export type ReleaseStatement = z.infer<typeof releaseStatementSchema>;

/** Signs a release statement with every given publisher key. @throws ZodError when it is invalid */
export function signReleaseStatement(statement: ReleaseStatement, signers: readonly Signer[]): DsseEnvelope {
  return signDocument(RELEASE_STATEMENT_TYPE, releaseStatementSchema.parse(statement), signers);
}

/**
 * The statement, when at least `threshold` of the publisher keys (SPKI PEM) signed it.
 * @throws DsseError
 */
export function verifyReleaseStatement(
  envelope: unknown,
  publisherKeys: readonly string[],
  threshold = 1,
): ReleaseStatement {
  return verifyDocument(envelope, RELEASE_STATEMENT_TYPE, releaseStatementSchema, publisherKeys, threshold);
}
