import { deviceFactsSchema } from '@aviary/hardware';
import { z } from 'zod';
import {
  deviceIdSchema,
  deviceNameSchema,
  labelKeySchema,
  labelsSchema,
  labelValueSchema,
  releaseNameSchema,
  sha256Schema,
  timestampSchema,
} from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
import { route } from '../route.ts';

const tag = 'devices';
const idParams = z.object({ id: deviceIdSchema });

export const joinTokenRequestSchema = z
  .object({
    ttlSeconds: z
      .number()
      .int()
      .min(1)
      .max(30 * 86_400)
      .default(3600),
    labels: labelsSchema.default({}).describe('labels that a device gets when it joins with this token'),
  })
  .meta({ id: 'JoinTokenRequest' });

export const joinTokenResponseSchema = z
  .object({
    token: z.string().describe('shown once; only its hash is kept'),
    expiresAt: timestampSchema,
  })
  .meta({ id: 'JoinToken' });

export const deviceSummarySchema = z
  .object({
    id: deviceIdSchema,
    name: z.string(),
    profile: z.string().nullable().describe('null: no profile matches its facts'),
    labels: labelsSchema,
    presence: z.enum(['online', 'offline']),
    lastSeenAt: timestampSchema.nullable(),
    running: z.object({ release: releaseNameSchema, digest: sha256Schema }).nullable(),
    assigned: releaseNameSchema.nullable(),
  })
  .meta({ id: 'DeviceSummary' });
export type DeviceSummary = z.infer<typeof deviceSummarySchema>;

/** What a release did on a device, added up since the device began to run it. */
export const fieldMetricsSchema = z
  .object({
    release: releaseNameSchema,
    since: timestampSchema,
    frames: z.number().int(),
    dropped: z.number().int(),
    errors: z.number().int(),
    lowConfidence: z.number().int(),
    labelled: z.number().int(),
    correct: z.number().int(),
    latencyP95Ms: z.number().nullable().describe('the newest window’s'),
    effectiveProvider: z.string().nullable(),
  })
  .meta({ id: 'FieldMetrics' });
export type FieldMetrics = z.infer<typeof fieldMetricsSchema>;

export const deviceDetailSchema = deviceSummarySchema
  .extend({
    enrolledAt: timestampSchema,
    epoch: z.number().int(),
    certificate: z.object({ fingerprint: sha256Schema, expiresAt: timestampSchema }),
    facts: deviceFactsSchema,
    profileReasons: z.array(z.string()).describe('why this profile, in words'),
    field: z.array(fieldMetricsSchema),
    events: z.array(
      z.object({
        at: timestampSchema,
        level: z.enum(['info', 'warning', 'error']),
        code: z.string(),
        message: z.string(),
      }),
    ),
  })
  .meta({ id: 'DeviceDetail' });
export type DeviceDetail = z.infer<typeof deviceDetailSchema>;

export const deviceAdminRoutes = {
  createJoinToken: route({
    method: 'POST',
    path: '/api/v1/join-tokens',
    summary: 'Make a token with which one device may join',
    tag,
    body: joinTokenRequestSchema,
    response: joinTokenResponseSchema,
    status: 201,
  }),
  listDevices: route({
    method: 'GET',
    path: '/api/v1/devices',
    summary: 'Devices in order of their id, or those that a selector names',
    tag,
    query: pageQuerySchema.extend({ selector: z.string().max(2000).optional() }),
    response: pageOf(deviceSummarySchema),
  }),
  showDevice: route({
    method: 'GET',
    path: '/api/v1/devices/:id',
    summary: 'All that is known of one device',
    tag,
    params: idParams,
    response: deviceDetailSchema,
  }),
  labelDevice: route({
    method: 'PATCH',
    path: '/api/v1/devices/:id',
    summary: 'Rename a device, or set labels (null removes one)',
    tag,
    params: idParams,
    body: z.object({
      name: deviceNameSchema.optional(),
      labels: z.record(labelKeySchema, labelValueSchema.nullable()).optional(),
    }),
    response: deviceSummarySchema,
  }),
};
