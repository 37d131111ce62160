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

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits (SHA-256)');
const byteCountSchema = z.int().nonnegative();

/** One variant as it lies in the blob store: an age payload (nonce and chunks, no header) over a deterministic tar. */
export const releaseTargetSchema = z.object({
  /** Name under which the bytes are known, e.g. `meter-reader/1.4.0/onnx-fp32.age-payload`. */
  path: archivePathSchema,
  variant: variantIdSchema,
  runtime: runtimeSchema,
  format: formatSchema,
  precision: precisionSchema,
  /** Of an ONNX model: the version of ONNX's operators that it is written in. */
  opset: z.int().positive().optional(),
  requires: requirementsSchema.optional(),
  /** Ids of the firmware profiles that it was made for; a device of another one refuses it. */
  profiles: z.array(z.string().min(1).max(64)).min(1),
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
      features: z.int().positive(),
      classes: z.int().min(2),
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
  devices: z.int().positive(),
  samples: z.int().positive(),
});
export type Lineage = z.infer<typeof lineageSchema>;

/** What is said of a release as a whole, whatever its variants. */
export const releaseFieldsSchema = z.object({
  release: releaseNameSchema,
  /** Strictly increasing per model; a device compares it with its floor. */
  releaseCounter: z.int().positive(),
  /** Once this release is committed, a device never again takes a counter under this. */
  rollbackFloor: z.int().nonnegative(),
  /** Oldest agent that understands this release. */
  minAgent: versionSchema,
  /** Milliseconds since 1970, the publisher's clock. */
  issuedAt: z.int().nonnegative(),
  /** Public key (SPKI PEM) that the signatures inside the archives are of. */
  publisherKey: z.string().startsWith('-----BEGIN PUBLIC KEY-----'),
  lineage: lineageSchema.optional(),
});
export type ReleaseFields = z.infer<typeof releaseFieldsSchema>;

/** What the publisher states of a release; signed as targets of the image repository, see `tuf/release-targets.ts`. */
export const releaseStatementSchema = releaseFieldsSchema
  .extend({ targets: z.array(releaseTargetSchema).min(1) })
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
