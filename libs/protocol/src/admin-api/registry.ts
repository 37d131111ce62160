import { z } from 'zod';
import { envelopeSchema } from '../envelope.ts';
import { releaseNameSchema, sha256Schema, timestampSchema } from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
import { ADMINS, EVERY_ROLE, PUBLISHERS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'registry';
const releaseParams = z.object({ release: releaseNameSchema });

export const publisherSchema = z
  .object({
    keyId: sha256Schema,
    name: z.string().min(1).max(128),
    publicKey: z.string().startsWith('-----BEGIN PUBLIC KEY-----').describe('P-256, PEM'),
    createdAt: timestampSchema,
  })
  .meta({ id: 'Publisher' });

export const registryInfoSchema = z
  .object({
    recipient: z.string().describe('age recipient to which a publisher seals file keys'),
    fleetCaFingerprint: sha256Schema,
    deviceUrl: z.string(),
    mqttUrl: z.string(),
  })
  .meta({ id: 'RegistryInfo' });

export const variantSummarySchema = z
  .object({
    id: z.string(),
    runtime: z.string(),
    format: z.string(),
    precision: z.string(),
    sha256: sha256Schema,
    length: z.number().int(),
  })
  .meta({ id: 'VariantSummary' });

/** Where a release that came out of a federated round comes from, as its publisher signed it. */
export const lineageSchema = z
  .object({
    parent: releaseNameSchema,
    round: z.uuid(),
    updateSha256: sha256Schema,
    devices: z.number().int().describe('whose updates it holds'),
    samples: z.number().int(),
  })
  .meta({ id: 'Lineage' });

export const releaseSummarySchema = z
  .object({
    release: releaseNameSchema,
    model: z.string(),
    version: z.string(),
    releaseCounter: z.number().int(),
    rollbackFloor: z.number().int(),
    publisher: z.string().describe('name of who signed it'),
    publishedAt: timestampSchema,
    variants: z.array(variantSummarySchema),
    trainable: z.boolean().describe('it brings a step graph, so that federated rounds can improve it'),
    lineage: lineageSchema.nullable().describe('null: it did not come out of a federated round'),
  })
  .meta({ id: 'ReleaseSummary' });
export type ReleaseSummary = z.infer<typeof releaseSummarySchema>;

export const releaseDetailSchema = releaseSummarySchema
  .extend({
    statement: envelopeSchema,
    field: z
      .object({
        devices: z.number().int(),
        frames: z.number().int(),
        labelled: z.number().int(),
        correct: z.number().int(),
        lowConfidence: z.number().int(),
      })
      .describe('what all devices together reported of it'),
  })
  .meta({ id: 'ReleaseDetail' });

export type ReleaseDetail = z.infer<typeof releaseDetailSchema>;

export const publishReleaseRequestSchema = z
  .object({
    statement: envelopeSchema.describe('the release statement, signed by a registered publisher'),
    variants: z
      .array(z.object({ id: z.string(), ageHeader: z.base64().describe('file key, sealed to the control plane') }))
      .min(1),
  })
  .meta({ id: 'PublishReleaseRequest' });

export const registryRoutes = {
  registryInfo: route({
    method: 'GET',
    path: '/api/v1/registry',
    summary: 'What a publisher needs before a push',
    tag,
    access: EVERY_ROLE,
    response: registryInfoSchema,
  }),
  addPublisher: route({
    method: 'POST',
    path: '/api/v1/publishers',
    summary: 'Register the public key of somebody who signs releases',
    tag,
    access: ADMINS,
    body: publisherSchema.pick({ name: true, publicKey: true }),
    response: publisherSchema,
    status: 201,
  }),
  listPublishers: route({
    method: 'GET',
    path: '/api/v1/publishers',
    summary: 'Who may sign releases',
    tag,
    access: EVERY_ROLE,
    response: z.object({ items: z.array(publisherSchema) }),
  }),
  uploadBlob: route({
    method: 'PUT',
    path: '/api/v1/blobs/:sha256',
    summary: 'Store sealed bytes; refused unless they have this digest',
    tag,
    access: PUBLISHERS,
    params: z.object({ sha256: sha256Schema }),
    upload: 'application/octet-stream',
    response: z.object({ sha256: sha256Schema, length: z.number().int() }),
    status: 201,
  }),
  publishRelease: route({
    method: 'POST',
    path: '/api/v1/releases',
    summary: 'Register a signed release whose blobs are all stored',
    tag,
    access: PUBLISHERS,
    body: publishReleaseRequestSchema,
    response: releaseSummarySchema,
    status: 201,
  }),
  listReleases: route({
    method: 'GET',
    path: '/api/v1/releases',
    summary: 'Releases, newest first',
    tag,
    access: EVERY_ROLE,
    query: pageQuerySchema.extend({ model: z.string().optional() }),
    response: pageOf(releaseSummarySchema),
  }),
  showRelease: route({
    method: 'GET',
    path: '/api/v1/releases/:release',
    summary: 'One release, and how it does in the field',
    tag,
    access: EVERY_ROLE,
    params: releaseParams,
    response: releaseDetailSchema,
  }),
};
