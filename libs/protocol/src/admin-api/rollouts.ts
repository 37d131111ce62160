import { EXECUTION_STATES, ROLLOUT_STATES, WAVE_STATES } from '@aviary/rollout';
import { z } from 'zod';
import { deviceIdSchema, releaseNameSchema, timestampSchema } from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
import { EVERY_ROLE, OPERATORS } from '../roles.ts';
import { route } from '../route.ts';
import { shadowReportSchema } from '../telemetry.ts';

const tag = 'rollouts';
const idParams = z.object({ id: z.uuid() });
const count = z.int().nonnegative();

const real = z.number().nullable();

export const gateResultSchema = z
  .object({
    gate: z.string(),
    verdict: z.enum(['pass', 'fail', 'not-enough']),
    words: z.string().describe('the judgement as a sentence, with its numbers'),
    estimate: real.describe('what was measured'),
    bound: z.number().describe('what is allowed'),
    evidence: count.describe('executions, devices, frames or pairs that it rests on'),
    comparison: z
      .object({
        lower: real.describe('the true effect is above it'),
        upper: real.describe('the true effect is below it'),
        eWorse: z.number().describe('e-value against “not worse than the margin”'),
        eNotWorse: z.number().describe('e-value against “worse than the margin”'),
        eDecides: z.number().describe('an e-value of so much decides'),
      })
      .nullable()
      .describe('of a comparison with the control group'),
    at: timestampSchema,
  })
  .meta({ id: 'GateResult' });

export const gateEvaluationSchema = gateResultSchema.extend({ wave: count }).meta({ id: 'GateEvaluation' });

export const waveViewSchema = z
  .object({
    index: count,
    state: z.enum(WAVE_STATES),
    size: count.describe('devices that this wave adds'),
    cumulative: count.describe('devices that have the release when it has passed'),
    counts: z.partialRecord(z.enum(EXECUTION_STATES), count).describe('executions by state'),
    startedAt: timestampSchema.nullable(),
    soakUntil: timestampSchema.nullable(),
    endedAt: timestampSchema.nullable(),
    gates: z.array(gateResultSchema),
  })
  .meta({ id: 'WaveView' });
export type WaveView = z.infer<typeof waveViewSchema>;

export const rolloutSummarySchema = z
  .object({
    id: z.uuid(),
    release: releaseNameSchema,
    target: z.string(),
    priority: count.describe('of two rollouts that want the same device, the higher has it; of equal ones the newer'),
    state: z.enum(ROLLOUT_STATES),
    reason: z.string().nullable().describe('why it is in this state, in words'),
    createdBy: z.string().nullable().describe('who asked for it'),
    control: count.describe('devices held back until the last wave'),
    createdAt: timestampSchema,
    startedAt: timestampSchema.nullable(),
    endedAt: timestampSchema.nullable(),
    waves: z.array(waveViewSchema),
  })
  .meta({ id: 'RolloutSummary' });
export type RolloutSummary = z.infer<typeof rolloutSummarySchema>;

/** Executions that a summary of reasons looks at: what one looks at again and again must not cost what a fleet costs. */
export const MOST_LOOKED_AT = 5_000;

export const rolloutDetailSchema = rolloutSummarySchema
  .extend({
    spec: z.record(z.string(), z.unknown()).describe('what the person asked for, with defaults filled in'),
    rollback: z
      .object({ counts: z.partialRecord(z.enum(EXECUTION_STATES), count) })
      .nullable()
      .describe('executions that bring devices back, when it is being taken back'),
    history: z.array(
      z.object({
        at: timestampSchema,
        message: z.string(),
        by: z.string().nullable().describe('the person who asked for it; null: it followed from how the rollout went'),
      }),
    ),
    rate: z
      .object({ perMinute: z.number().describe('devices that may be told in a minute, now') })
      .nullable()
      .describe('null: all of a wave at once'),
    waits: z
      .array(
        z.object({
          reason: z.string(),
          devices: count,
          until: timestampSchema.nullable().describe('when the first of them is looked at again; null: at once'),
        }),
      )
      .describe('devices that are not told yet, by what they wait for, most first'),
    troubles: z
      .array(
        z.object({
          state: z.enum(EXECUTION_STATES),
          code: z.string().nullable(),
          reason: z.string().nullable().describe('of the newest of them'),
          devices: count,
          names: z.array(z.string()).describe('of the newest five'),
        }),
      )
      .describe(`devices that the release was not brought to, by reason, most first; of the newest ${MOST_LOOKED_AT}`),
    evaluations: z
      .array(gateEvaluationSchema)
      .describe('judgements that said something new, oldest first; of many the newest'),
  })
  .meta({ id: 'RolloutDetail' });
export type RolloutDetail = z.infer<typeof rolloutDetailSchema>;

export const executionViewSchema = z
  .object({
    id: z.uuid(),
    deviceId: deviceIdSchema,
    deviceName: z.string(),
    profile: z.string().nullable(),
    wave: count.nullable().describe('null for an execution that brings a device back'),
    kind: z.enum(['install', 'rollback']),
    state: z.enum(EXECUTION_STATES),
    diverged: z.boolean().describe('succeeded, and then ran something else'),
    variant: z.string().nullable(),
    from: releaseNameSchema.nullable().describe('what the device was to run before'),
    reason: z.string().nullable(),
    shadow: shadowReportSchema.nullable().describe('null: it has not run in shadow'),
    updatedAt: timestampSchema,
  })
  .meta({ id: 'ExecutionView' });
export type ExecutionView = z.infer<typeof executionViewSchema>;

/** What became of an execution: it goes on, it brought its device there, it speaks against the release, or neither. */
export const EXECUTION_OUTCOMES = ['open', 'succeeded', 'failed', 'canceled'] as const;
export type ExecutionOutcome = (typeof EXECUTION_OUTCOMES)[number];

/** What a comparison of a wave is worth, before it begins. Harms are as the margin: 0.3 is +30 %. */
const comparisonOutlookSchema = z
  .object({
    wave: count,
    gate: z.string(),
    pairs: count.describe('that it can come to'),
    neededPairs: count.describe('with fewer it can never tell'),
    level: z.number(),
    margin: z.number(),
    floor: real.describe('no smaller harm can be found; null: none at all'),
    found: real.describe('found in 9 of 10 rollouts where each device scatters by 10 %; null for a rate'),
    words: z.string().describe('the same as a sentence'),
  })
  .meta({ id: 'ComparisonOutlook' });

/** A rollout under way that wants some of the same devices. */
const rolloutOverlapSchema = z
  .object({
    rolloutId: z.uuid(),
    release: releaseNameSchema,
    target: z.string(),
    state: z.enum(ROLLOUT_STATES),
    priority: count,
    devices: count.describe('that both want'),
    outranked: z.boolean().describe('they come to the new rollout; false: they stay with the one under way'),
  })
  .meta({ id: 'RolloutOverlap' });
const overlaps = z.array(rolloutOverlapSchema).describe('rollouts under way that want some of the same devices');

export const createdRolloutSchema = rolloutSummarySchema.extend({ overlaps }).meta({ id: 'CreatedRollout' });
export type CreatedRollout = z.infer<typeof createdRolloutSchema>;

/** What a dry run answers: nothing is created. */
export const rolloutPreviewSchema = z
  .object({
    release: releaseNameSchema,
    devices: count,
    waves: z.array(z.object({ index: count, size: count, cumulative: count, strata: z.record(z.string(), count) })),
    variants: z.array(
      z.object({ profile: z.string(), variant: z.string().nullable(), devices: count, reason: z.string() }),
    ),
    bytes: count.describe('to be downloaded in all'),
    control: z.record(z.string(), count).describe('devices held back until the last wave, by profile'),
    comparisons: z.array(comparisonOutlookSchema).describe('of each wave with its control group, by each gate'),
    sites: z
      .array(z.object({ site: z.string(), devices: count, bytes: count }))
      .describe('by the label `site`, most bytes first; "" for devices without it'),
    forecast: z
      .object({
        seconds: real.describe('to the end of the last wave, at the earliest; null: more than a year'),
        waves: z.array(z.object({ index: count, seconds: count })).describe('when each can have passed'),
        leavesOut: z.array(z.string()).describe('what takes time too, and where a person is needed'),
      })
      .describe('the earliest finish, from now'),
    overlaps,
  })
  .meta({ id: 'RolloutPreview' });
export type RolloutPreview = z.infer<typeof rolloutPreviewSchema>;

export const rolloutActionSchema = z
  .enum(['approve', 'deny', 'pause', 'resume', 'promote', 'abort', 'undo'])
  .meta({ id: 'RolloutAction' });
export type RolloutAction = z.infer<typeof rolloutActionSchema>;

/** What came of asking for new tries. */
export const rolloutRetrySchema = z
  .object({
    rollout: rolloutSummarySchema,
    retried: count.describe('devices that get a new try'),
    more: z.boolean().describe('there are more than one request takes: ask again'),
  })
  .meta({ id: 'RolloutRetry' });
export type RolloutRetry = z.infer<typeof rolloutRetrySchema>;

/** The specification is read by `parseRolloutSpec`, which names every wrong place at once. */
const specBodySchema = z
  .record(z.string(), z.unknown())
  .meta({ id: 'RolloutSpec', description: 'a rollout specification, as in rollout.yaml' });

export const rolloutRoutes = {
  createRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts',
    summary: 'Start to bring a release to devices in waves',
    tag,
    access: OPERATORS,
    body: specBodySchema,
    response: createdRolloutSchema,
    status: 201,
  }),
  previewRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/preview',
    summary: 'What a rollout would do, without doing it',
    tag,
    access: EVERY_ROLE,
    changesNothing: true,
    body: specBodySchema,
    response: rolloutPreviewSchema,
  }),
  listRollouts: route({
    method: 'GET',
    path: '/api/v1/rollouts',
    summary: 'Rollouts, newest first',
    tag,
    access: EVERY_ROLE,
    query: pageQuerySchema,
    response: pageOf(rolloutSummarySchema),
  }),
  showRollout: route({
    method: 'GET',
    path: '/api/v1/rollouts/:id',
    summary: 'One rollout with its waves, gates and history',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    response: rolloutDetailSchema,
  }),
  listExecutions: route({
    method: 'GET',
    path: '/api/v1/rollouts/:id/executions',
    summary: 'Each device’s part in a rollout',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    query: pageQuerySchema.extend({ outcome: z.enum(EXECUTION_OUTCOMES).optional() }),
    response: pageOf(executionViewSchema),
  }),
  actOnRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:id/actions/:action',
    summary: 'Approve, deny, pause, resume, promote, abort or undo',
    tag,
    access: OPERATORS,
    params: idParams.extend({ action: rolloutActionSchema }),
    response: rolloutSummarySchema,
  }),
  retryRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:id/retry',
    summary:
      'Give devices that failed, timed out, were canceled or have diverged a new try, while the rollout is under way',
    tag,
    access: OPERATORS,
    params: idParams,
    body: z
      .object({
        devices: z
          .array(deviceIdSchema)
          .min(1)
          .max(1_000)
          .optional()
          .describe('only these, also when they refused the release or went back from it'),
      })
      .meta({ id: 'RolloutRetryRequest' }),
    response: rolloutRetrySchema,
  }),
};
