import { z } from 'zod';
import { deviceIdSchema, releaseNameSchema, timestampSchema } from '../identifiers.ts';
import { EVERY_ROLE } from '../roles.ts';
import { route } from '../route.ts';
import { boardStateSchema } from '../telemetry.ts';
import { rolloutSummarySchema } from './rollouts.ts';

const tag = 'live';
const count = z.int().nonnegative();

/** What changes come in, and whose pages read them again. */
export const LIVE_TOPICS = ['devices', 'releases', 'rollouts', 'rounds', 'joining-keys'] as const;

/** `event: change` — something of a topic is not as it was. Its `id:` is what `Last-Event-ID` takes. */
export const changeEventSchema = z.object({
  topic: z.enum(LIVE_TOPICS),
  ids: z.array(z.string()).nullable().describe('which ones; null: many'),
});
export type ChangeEvent = z.infer<typeof changeEventSchema>;

/** `event: device` — the newest figures of a device that was asked for with `?device=`. It has no id: the next one replaces it. */
export const deviceFiguresSchema = z.object({
  deviceId: deviceIdSchema,
  at: timestampSchema.describe('when the device’s newest window was stored'),
  release: releaseNameSchema,
  frames: count.describe('since the device began to run this release; differences make a throughput'),
  dropped: count,
  errors: count,
  lowConfidence: count,
  labelled: count,
  correct: count,
  latencyP95Ms: z.number().nullable(),
  board: boardStateSchema.nullable(),
});
export type DeviceFigures = z.infer<typeof deviceFiguresSchema>;

export const overviewSchema = z
  .object({
    devices: z.object({
      total: count,
      online: count,
      offline: count,
      unmatched: count.describe('no profile fits them'),
      idle: count.describe('online, and serving nothing'),
    }),
    models: count,
    releases: count,
    rollouts: z.array(rolloutSummarySchema).describe('those under way, newest first, at most 10'),
    rounds: count.describe('federated rounds under way'),
    attention: z
      .array(
        z.object({
          level: z.enum(['warning', 'error']),
          at: timestampSchema,
          words: z.string(),
          deviceId: deviceIdSchema.nullable(),
          deviceName: z.string().nullable(),
          rolloutId: z.uuid().nullable(),
        }),
      )
      .describe(
        'what needs somebody now: warnings and errors of the last day, rollouts that wait, are paused or failed; newest first',
      ),
  })
  .meta({ id: 'Overview' });
export type Overview = z.infer<typeof overviewSchema>;

export const liveRoutes = {
  showOverview: route({
    method: 'GET',
    path: '/api/v1/overview',
    summary: 'How the fleet is, and what needs somebody now',
    tag,
    access: EVERY_ROLE,
    response: overviewSchema,
  }),
  events: route({
    method: 'GET',
    path: '/api/v1/events',
    summary: 'Server-sent events: change, device, and reset when Last-Event-ID is too old to resume from',
    tag,
    access: EVERY_ROLE,
    query: z.object({ device: deviceIdSchema.optional().describe('also the live figures of this device') }),
    response: z.unknown(),
  }),
};
