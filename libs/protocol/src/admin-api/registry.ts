import { z } from 'zod';
import { releaseNameSchema, sha256Schema, timestampSchema } from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
import { EVERY_ROLE, MODEL_READERS, PUBLISHERS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'registry';
const releaseParams = z.object({ release: releaseNameSchema });

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
    length: z.int(),
  })
  .meta({ id: 'VariantSummary' });

/** Where a release that came out of a federated round comes from, as its publisher signed it. */
export const lineageSchema = z
  .object({
    parent: releaseNameSchema,
    round: z.uuid(),
    updateSha256: sha256Schema,
    devices: z.int().describe('whose updates it holds'),
    samples: z.int(),
  })
  .meta({ id: 'Lineage' });

export const releaseSummarySchema = z
  .object({
    release: releaseNameSchema,
    model: z.string(),
    version: z.string(),
    releaseCounter: z.int(),
    rollbackFloor: z.int(),
    publisher: z.string().describe('names of those who signed it'),
    publishedAt: timestampSchema,
    revokedAt: timestampSchema.nullable().describe('when the publisher took it back; nothing new gets it since'),
    variants: z.array(variantSummarySchema),
    trainable: z.boolean().describe('it brings a step graph, so that federated rounds can improve it'),
    lineage: lineageSchema.nullable().describe('null: it did not come out of a federated round'),
  })
  .meta({ id: 'ReleaseSummary' });
export type ReleaseSummary = z.infer<typeof releaseSummarySchema>;

/** What the publisher states of a release, as its targets in the image repository say it. */
const statementSchema = z.looseObject({
  minAgent: z.string(),
  issuedAt: timestampSchema,
  publisherKey: z.string().describe('of the signatures inside its archives; PEM'),
  targets: z.array(
    z.looseObject({
      path: z.string(),
      variant: z.string(),
      profiles: z.array(z.string()).describe('firmware profiles that it was made for'),
      plaintextSha256: sha256Schema,
      omsSha256: sha256Schema,
    }),
  ),
});

export const releaseDetailSchema = releaseSummarySchema
  .extend({
    statement: statementSchema,
    field: z
      .object({
        devices: z.int(),
        frames: z.int(),
        labelled: z.int(),
        correct: z.int(),
        lowConfidence: z.int(),
      })
      .describe('what all devices together reported of it'),
  })
  .meta({ id: 'ReleaseDetail' });

export type ReleaseDetail = z.infer<typeof releaseDetailSchema>;

export const registryRoutes = {
  registryInfo: route({
    method: 'GET',
    path: '/api/v1/registry',
    summary: 'What a publisher needs before a push',
    tag,
    access: EVERY_ROLE,
    response: registryInfoSchema,
  }),
  uploadBlob: route({
    method: 'PUT',
    path: '/api/v1/blobs/:sha256',
    summary: 'Store sealed bytes; refused unless they have this digest',
    tag,
    access: PUBLISHERS,
    params: z.object({ sha256: sha256Schema }),
    upload: 'application/octet-stream',
    response: z.object({ sha256: sha256Schema, length: z.int() }),
    status: 201,
  }),
  downloadBlob: route({
    method: 'GET',
    path: '/api/v1/blobs/:sha256',
    summary: 'The sealed bytes of a variant; without its file key they tell nothing. Takes a Range',
    tag,
    access: EVERY_ROLE,
    params: z.object({ sha256: sha256Schema }),
    download: 'application/octet-stream',
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
  openVariant: route({
    method: 'POST',
    path: '/api/v1/releases/:release/variants/:variant/header',
    summary: 'Seal the file key of a variant to somebody, who can then read the model',
    tag,
    access: MODEL_READERS,
    params: releaseParams.extend({ variant: z.string().max(64) }),
    body: z.object({
      recipient: z.string().max(128).describe('age recipient (X25519, age1…) of whoever is to open it'),
    }),
    response: z.object({
      ageHeader: z.base64().describe('age header for this recipient; with the sealed bytes behind it an age file'),
    }),
  }),
};
