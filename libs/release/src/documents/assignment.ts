import { z } from 'zod';
import { archivePathSchema, variantIdSchema } from '../archive/manifest.ts';
import { releaseNameSchema } from '../release-name.ts';
import { type DsseEnvelope, signDocument, verifyDocument } from './dsse.ts';
import type { Signer } from './signing-key.ts';
import { switchTermsSchema } from './switch-terms.ts';

export const ASSIGNMENT_TYPE = 'application/vnd.aviary.assignment+json';

const rateSchema = z.number().min(0).max(1);

/** What a device has to show after switching before it commits; measured over the time and the frames since. */
export const probationSchema = z.object({
  /** How long it lasts. */
  seconds: z.number().nonnegative(),
  /** Frames that must have been answered; it lasts longer than `seconds` until they are. */
  minFrames: z.int().nonnegative(),
  /** Failed frames ÷ all frames, at most. */
  maxErrorRate: rateSchema,
  /** Low-confidence answers ÷ answers, at most. */
  maxLowConfidenceRate: rateSchema,
  /** p95 of a frame ÷ p95 of the release before, at most. */
  maxP95Ratio: z.number().positive(),
});
export type Probation = z.infer<typeof probationSchema>;

/** The director's word to one device: run this variant of this release, here is its key. */
export const assignmentSchema = z.object({
  deviceId: z.string().min(1).max(128),
  /** Rises with every enrolment of the device; sequences start afresh in each. */
  epoch: z.int().positive(),
  /** Strictly increasing within the epoch. */
  sequence: z.int().positive(),
  /** Milliseconds since 1970, the director's clock. */
  issuedAt: z.int().nonnegative(),
  /** Milliseconds since 1970; from then on nothing new is installed by it. */
  expires: z.int().nonnegative(),
  release: releaseNameSchema,
  releaseCounter: z.int().positive(),
  /** `path` of one of the release statement's targets. */
  targetPath: archivePathSchema,
  variant: variantIdSchema,
  /** base64 of an age header that only this device opens; header ‖ payload is an ordinary age file. */
  ageHeader: z.base64().min(1),
  rolloutId: z.string().min(1),
  executionId: z.string().min(1),
  probation: probationSchema,
  /** Absent: as soon as it can. */
  terms: switchTermsSchema.exactOptional(),
});
export type Assignment = z.infer<typeof assignmentSchema>;

/** Signs an assignment with the director's keys. @throws ZodError when it is invalid */
export function signAssignment(assignment: Assignment, signers: readonly Signer[]): DsseEnvelope {
  return signDocument(ASSIGNMENT_TYPE, assignmentSchema.parse(assignment), signers);
}

/** The assignment, when one of the director keys (SPKI PEM) signed it. @throws DsseError */
export function verifyAssignment(envelope: unknown, directorKeys: readonly string[]): Assignment {
  return verifyDocument(envelope, ASSIGNMENT_TYPE, assignmentSchema, directorKeys);
}
