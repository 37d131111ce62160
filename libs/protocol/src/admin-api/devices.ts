import { deviceFactsSchema, REJECTION_CODES } from '@aviary/hardware';
import { EXECUTION_STATES } from '@aviary/rollout';
import { z } from 'zod';
import {
  deviceIdSchema,
  deviceNameSchema,
  labelKeySchema,
  labelsSchema,
  labelValueSchema,
  profileIdSchema,
  releaseNameSchema,
  sha256Schema,
  timestampSchema,
} from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
import { EVERY_ROLE, OPERATORS } from '../roles.ts';
import { route } from '../route.ts';
import { boardStateSchema, shadowReportSchema } from '../telemetry.ts';

const tag = 'devices';
const idParams = z.object({ id: deviceIdSchema });

export const joinTokenRequestSchema = z
  .object({
    ttlSeconds: z
      .int()
      .min(1)
      .max(30 * 86_400)
      .default(3600),
    labels: labelsSchema.default({}).describe('labels that a device gets when it joins with this token'),
    profile: profileIdSchema.optional().describe('only a board of this profile may join with it'),
    deviceId: deviceIdSchema.optional().describe('for this device, to join again as the same: its epoch rises'),
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
    revokedAt: timestampSchema.nullable().describe('its certificate is refused since then; null: it is not revoked'),
  })
  .meta({ id: 'DeviceSummary' });
export type DeviceSummary = z.infer<typeof deviceSummarySchema>;

/** How many frames a release has had, and how many of them were what. */
const frameCounts = {
  frames: z.int(),
  dropped: z.int(),
  errors: z.int(),
  lowConfidence: z.int(),
  labelled: z.int(),
  correct: z.int(),
};

/** What a release did on a device, added up since the device began to run it. */
export const fieldMetricsSchema = z
  .object({
    release: releaseNameSchema,
    since: timestampSchema,
    ...frameCounts,
    latencyP95Ms: z.number().nullable().describe('the newest window’s'),
    effectiveProvider: z.string().nullable(),
  })
  .meta({ id: 'FieldMetrics' });
export type FieldMetrics = z.infer<typeof fieldMetricsSchema>;

/** Which variant of a release a device would get. */
export const deviceChoiceSchema = z
  .object({
    release: releaseNameSchema,
    profile: z.string().nullable().describe('by which it was chosen'),
    variant: z.string().nullable().describe('null: it can run none'),
    refusal: z.enum(['no-profile', 'no-variant']).nullable(),
    words: z.array(z.string()).describe('why this variant, and why not the others'),
    considered: z
      .array(
        z.object({
          variant: z.string(),
          runtime: z.string(),
          format: z.string(),
          precision: z.string(),
          rank: z.int().positive().nullable().describe('1: it gets this one; null: it cannot run it'),
          behind: z.string().nullable().describe('why the one before it is better'),
          rejections: z.array(z.object({ code: z.enum(REJECTION_CODES), words: z.string() })),
        }),
      )
      .describe('each variant that was made for its profile'),
  })
  .meta({ id: 'DeviceChoice' });
export type DeviceChoice = z.infer<typeof deviceChoiceSchema>;

export const deviceDetailSchema = deviceSummarySchema
  .extend({
    origin: z
      .enum(['assigned', 'factory', 'unknown'])
      .nullable()
      .describe(
        'of what runs: assigned by a rollout; factory: in the registry, and assigned by nobody; unknown: not in the registry under this release and digest; null: nothing runs',
      ),
    enrolledAt: timestampSchema,
    epoch: z.int(),
    certificate: z.object({ fingerprint: sha256Schema, expiresAt: timestampSchema }),
    facts: deviceFactsSchema,
    profileReasons: z.array(z.string()).describe('why this profile, in words'),
    choice: deviceChoiceSchema
      .nullable()
      .describe('of the release that it is assigned, else the one that it runs; null when there is neither'),
    board: z
      .object({ at: timestampSchema.describe('start of the window'), state: boardStateSchema })
      .nullable()
      .describe('how the board was when it told last; null: it has not'),
    learning: z
      .object({
        backbone: sha256Schema,
        release: releaseNameSchema,
        samples: z.int().describe('labelled samples that it keeps for this backbone'),
        perLabel: z.record(z.string(), z.int()),
        at: timestampSchema,
      })
      .nullable()
      .describe('null: it takes no part in federated learning'),
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

/** What a release did on a device within one minute. */
export const metricsMinuteSchema = z
  .object({
    at: timestampSchema.describe('start of the minute'),
    release: releaseNameSchema,
    ...frameCounts,
    latencyMeanMs: z.number().nullable().describe('null in a minute without frames'),
    latencyMaxMs: z.number().nullable(),
  })
  .meta({ id: 'MetricsMinute' });
export type MetricsMinute = z.infer<typeof metricsMinuteSchema>;

/** One rollout's passage over a device. */
export const deviceExecutionSchema = z
  .object({
    id: z.uuid(),
    rolloutId: z.uuid(),
    release: releaseNameSchema,
    kind: z.enum(['install', 'rollback']),
    state: z.enum(EXECUTION_STATES),
    from: releaseNameSchema.nullable().describe('what it was to run before'),
    to: releaseNameSchema.nullable().describe('what it was to be brought to'),
    diverged: z.boolean(),
    reason: z.string().nullable(),
    shadow: shadowReportSchema.nullable().describe('null: it has not run in shadow'),
    createdAt: timestampSchema,
    updatedAt: timestampSchema,
    endedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'DeviceExecution' });
export type DeviceExecution = z.infer<typeof deviceExecutionSchema>;

export const DEVICE_HISTORY_KINDS = ['joined', 'revoked', 'runs', 'execution', 'event'] as const;

/** One thing that happened to a device. */
export const deviceHistoryEntrySchema = z
  .object({
    at: timestampSchema.describe('by the clock of the control plane; of an event, by the device’s'),
    kind: z.enum(DEVICE_HISTORY_KINDS),
    level: z.enum(['info', 'warning', 'error']),
    words: z.string(),
    by: z.string().nullable().describe('the person who did it'),
    epoch: z.int().nullable().describe('that it joined with'),
    running: z
      .object({ release: releaseNameSchema, digest: sha256Schema })
      .nullable()
      .describe('what it began to run; null with kind `runs`: nothing'),
    execution: deviceExecutionSchema.nullable(),
  })
  .meta({ id: 'DeviceHistoryEntry' });
export type DeviceHistoryEntry = z.infer<typeof deviceHistoryEntrySchema>;

export const deviceAdminRoutes = {
  createJoinToken: route({
    method: 'POST',
    path: '/api/v1/join-tokens',
    summary: 'Make a token with which one device may join',
    tag,
    access: OPERATORS,
    body: joinTokenRequestSchema,
    response: joinTokenResponseSchema,
    status: 201,
  }),
  listDevices: route({
    method: 'GET',
    path: '/api/v1/devices',
    summary: 'Devices in order of their id, or those that a selector names',
    tag,
    access: EVERY_ROLE,
    query: pageQuerySchema.extend({ selector: z.string().max(2000).optional() }),
    response: pageOf(deviceSummarySchema),
  }),
  showDevice: route({
    method: 'GET',
    path: '/api/v1/devices/:id',
    summary: 'All that is known of one device',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    response: deviceDetailSchema,
  }),
  deviceMetrics: route({
    method: 'GET',
    path: '/api/v1/devices/:id/metrics',
    summary: 'What a device did, minute by minute, oldest first',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    query: z.object({
      since: z.coerce.number().int().nonnegative().optional().describe('ms since 1970; default an hour ago'),
      until: z.coerce.number().int().nonnegative().optional().describe('ms since 1970; default now'),
    }),
    response: z.object({ items: z.array(metricsMinuteSchema).describe('at most 1,440: a day') }),
  }),
  deviceExecutions: route({
    method: 'GET',
    path: '/api/v1/devices/:id/executions',
    summary: 'Its part in rollouts, newest first',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    response: z.object({ items: z.array(deviceExecutionSchema).describe('the newest 100') }),
  }),
  deviceHistory: route({
    method: 'GET',
    path: '/api/v1/devices/:id/history',
    summary: 'What happened to it, newest first: joins, what it ran, its part in rollouts, its events, revocation',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    query: pageQuerySchema,
    response: pageOf(deviceHistoryEntrySchema),
  }),
  deviceChoice: route({
    method: 'GET',
    path: '/api/v1/devices/:id/choices/:release',
    summary: 'Which variant of a release it would get, and why',
    tag,
    access: EVERY_ROLE,
    params: idParams.extend({ release: releaseNameSchema }),
    response: deviceChoiceSchema,
  }),
  labelDevice: route({
    method: 'PATCH',
    path: '/api/v1/devices/:id',
    summary: 'Rename a device, or set labels (null removes one)',
    tag,
    access: OPERATORS,
    params: idParams,
    body: z.object({
      name: deviceNameSchema.optional(),
      labels: z.record(labelKeySchema, labelValueSchema.nullable()).optional(),
    }),
    response: deviceSummarySchema,
  }),
  revokeDevice: route({
    method: 'POST',
    path: '/api/v1/devices/:id/revoke',
    summary:
      'Refuse a device from now on: its certificate, its session, its part in rollouts; only joining anew undoes it',
    tag,
    access: OPERATORS,
    params: idParams,
    response: deviceSummarySchema,
  }),
};
