import { z } from 'zod';
import { envelopeSchema } from '../envelope.ts';
import { releaseNameSchema, sha256Schema, timestampSchema } from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
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
    response: registryInfoSchema,
  }),
  addPublisher: route({
    method: 'POST',
    path: '/api/v1/publishers',
    summary: 'Register the public key of somebody who signs releases',
    tag,
    body: publisherSchema.pick({ name: true, publicKey: true }),
    response: publisherSchema,
    status: 201,
  }),
  listPublishers: route({
    method: 'GET',
    path: '/api/v1/publishers',
    summary: 'Who may sign releases',
    tag,
    response: z.object({ items: z.array(publisherSchema) }),
  }),
  uploadBlob: route({
    method: 'PUT',
    path: '/api/v1/blobs/:sha256',
    summary: 'Store sealed bytes; refused unless they have this digest',
    tag,
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
    body: publishReleaseRequestSchema,
    response: releaseSummarySchema,
    status: 201,
  }),
  listReleases: route({
    method: 'GET',
    path: '/api/v1/releases',
    summary: 'Releases, newest first',
    tag,
    query: pageQuerySchema.extend({ model: z.string().optional() }),
    response: pageOf(releaseSummarySchema),
  }),
  showRelease: route({
    method: 'GET',
    path: '/api/v1/releases/:release',
    summary: 'One release, and how it does in the field',
    tag,
    params: releaseParams,
    response: releaseDetailSchema,
  }),
};
