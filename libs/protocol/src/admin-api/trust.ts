import { z } from 'zod';
import { metadataFileSchema, releaseNameSchema, sha256Schema, timestampSchema } from '../identifiers.ts';
import { ADMINS, EVERY_ROLE, PUBLISHERS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'trust';

const roleSchema = z.enum(['root', 'targets', 'snapshot', 'timestamp']);
/** What the control plane signs itself. */
export const onlineRoleSchema = z.enum(['snapshot', 'timestamp', 'director']);
export type OnlineRole = z.infer<typeof onlineRoleSchema>;

const keySchema = z.object({
  keyId: sha256Schema,
  name: z.string(),
  publicKey: z.string().describe('P-256, PEM'),
});

const roleStateSchema = z.object({
  role: roleSchema,
  version: z.int().positive(),
  expiresAt: timestampSchema,
  threshold: z.int().positive().describe('how many of its keys have to sign'),
  keys: z.array(keySchema),
});

const missingSchema = z
  .object({ root: z.int().nonnegative(), targets: z.int().nonnegative() })
  .describe('signatures that are still missing');

export const trustStateSchema = z
  .object({
    roles: z.array(roleStateSchema).describe('empty before the image repository was founded'),
    directors: z.array(keySchema).describe('who may sign assignments, as the publisher signed it'),
    stopped: z.array(releaseNameSchema).describe('revoked releases that devices have to stop'),
    onlineKeys: z
      .array(keySchema.omit({ name: true }).extend({ role: onlineRoleSchema }))
      .describe('keys that the control plane holds; they count once the publisher has signed for them'),
    proposal: z
      .object({ createdAt: timestampSchema, missing: missingSchema })
      .nullable()
      .describe('a change that waits for more signatures'),
  })
  .meta({ id: 'TrustState' });
export type TrustState = z.infer<typeof trustStateSchema>;

const metadataText = z.string().min(2).max(16_000_000).describe('signed metadata (TUF) in JSON');

export const trustChangeSchema = z
  .object({
    root: metadataText.optional(),
    targets: metadataText.optional(),
    files: z
      .array(z.base64().max(100_000))
      .max(4)
      .default([])
      .describe('contents of targets that are small files: who may assign, what must stop'),
    variants: z
      .array(z.object({ path: z.string(), ageHeader: z.base64().describe('file key, sealed to the control plane') }))
      .default([])
      .describe('for each variant that is new'),
  })
  .meta({ id: 'TrustChange' });
export type TrustChange = z.input<typeof trustChangeSchema>;

export const trustOutcomeSchema = z
  .object({
    published: z.boolean().describe('false: it waits for more signatures'),
    missing: missingSchema,
    releases: z.array(releaseNameSchema).describe('that it published'),
    revoked: z.array(releaseNameSchema),
  })
  .meta({ id: 'TrustOutcome' });
export type TrustOutcome = z.infer<typeof trustOutcomeSchema>;

export const trustRoutes = {
  showTrust: route({
    method: 'GET',
    path: '/api/v1/trust',
    summary: 'Whose keys count for what, until when, and what waits for signatures',
    tag,
    access: EVERY_ROLE,
    response: trustStateSchema,
  }),
  foundTrust: route({
    method: 'POST',
    path: '/api/v1/trust',
    summary: 'Found the image repository with its first root and targets; once',
    tag,
    access: ADMINS,
    body: trustChangeSchema,
    response: trustOutcomeSchema,
    status: 201,
  }),
  changeTrust: route({
    method: 'POST',
    path: '/api/v1/trust/changes',
    summary: 'Publish signed metadata: releases, revocations, keys; or add signatures to what waits for them',
    tag,
    access: PUBLISHERS,
    body: trustChangeSchema,
    response: trustOutcomeSchema,
  }),
  showProposal: route({
    method: 'GET',
    path: '/api/v1/trust/proposal',
    summary: 'The change that waits for more signatures; 404 when none does',
    tag,
    access: EVERY_ROLE,
    response: z.object({ root: metadataText.nullable(), targets: metadataText.nullable(), files: z.array(z.base64()) }),
  }),
  discardProposal: route({
    method: 'DELETE',
    path: '/api/v1/trust/proposal',
    summary: 'Forget the change that waits for more signatures',
    tag,
    access: PUBLISHERS,
  }),
  makeOnlineKey: route({
    method: 'POST',
    path: '/api/v1/trust/online-keys',
    summary: 'Make a new key of the control plane; it counts once the publisher has signed for it',
    tag,
    access: ADMINS,
    body: z.object({ role: onlineRoleSchema }),
    response: keySchema.omit({ name: true }),
    status: 201,
  }),
  trustMetadata: route({
    method: 'GET',
    path: '/api/v1/trust/metadata/:file',
    summary: 'Metadata (TUF) of the image repository, e.g. timestamp.json or 3.root.json',
    tag,
    access: EVERY_ROLE,
    params: z.object({ file: metadataFileSchema }),
    response: z.unknown(),
  }),
  trustFile: route({
    method: 'GET',
    path: '/api/v1/trust/targets/:sha256',
    summary: 'A small file that is a target of the image repository',
    tag,
    access: EVERY_ROLE,
    params: z.object({ sha256: sha256Schema }),
    response: z.unknown(),
  }),
};
