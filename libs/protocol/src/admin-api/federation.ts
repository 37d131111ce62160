import { PARTICIPANT_STATES, PARTS, ROUND_STATES, roundSpecSchema } from '@aviary/federation';
import { z } from 'zod';
import { deviceIdSchema, releaseNameSchema, sha256Schema, timestampSchema } from '../identifiers.ts';
import { pageOf, pageQuerySchema } from '../page.ts';
import { EVERY_ROLE, OPERATORS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'federation';
const idParams = z.object({ id: z.uuid() });
const count = z.int().nonnegative();

const answersSchema = z.object({ correct: count, loss: z.number().describe('mean cross entropy of a sample') });

/** How heads answered the labelled samples of devices that did not train, all of them together. */
export const evaluationSchema = z
  .object({
    devices: count,
    samples: count,
    base: answersSchema,
    candidate: answersSchema,
    words: z.string().describe('the judgement as a sentence, with its numbers'),
  })
  .meta({ id: 'RoundEvaluation' });

export const roundSummarySchema = z
  .object({
    id: z.uuid(),
    release: releaseNameSchema.describe('the base: what is being improved'),
    target: z.string(),
    state: z.enum(ROUND_STATES),
    reason: z.string().nullable().describe('why it is in this state, in words'),
    createdAt: timestampSchema,
    deadlineAt: timestampSchema.nullable().describe('when the present phase ends, whatever came'),
    endedAt: timestampSchema.nullable(),
    goal: count,
    selected: count,
    updates: count.describe('accepted'),
    refused: count,
    candidate: releaseNameSchema.nullable().describe('the release that was published from it'),
  })
  .meta({ id: 'RoundSummary' });
export type RoundSummary = z.infer<typeof roundSummarySchema>;

export const roundParticipantSchema = z
  .object({
    deviceId: deviceIdSchema,
    deviceName: z.string(),
    part: z.enum(PARTS),
    state: z.enum(PARTICIPANT_STATES),
    samples: count.nullable(),
    loss: z.number().nullable().describe('mean cross entropy over its samples, after training'),
    norm: z.number().nullable().describe('L2 norm of its update, before clipping'),
    reason: z.string().nullable(),
    updatedAt: timestampSchema,
  })
  .meta({ id: 'RoundParticipant' });
export type RoundParticipant = z.infer<typeof roundParticipantSchema>;

export const roundAggregateSchema = z
  .object({
    sha256: sha256Schema.describe('of the aggregated update; the same updates give the same digest'),
    updates: count,
    samples: count,
    norm: z.number(),
    clipNorm: z.number().describe('longer updates were shortened to this'),
    clipped: count,
  })
  .meta({ id: 'RoundAggregate' });

export const roundDetailSchema = roundSummarySchema
  .extend({
    spec: roundSpecSchema,
    backbone: sha256Schema,
    participants: z.array(roundParticipantSchema),
    aggregate: roundAggregateSchema.nullable(),
    evaluation: evaluationSchema.nullable(),
    history: z.array(z.object({ at: timestampSchema, message: z.string() })),
  })
  .meta({ id: 'RoundDetail' });
export type RoundDetail = z.infer<typeof roundDetailSchema>;

/** What a publisher needs to build a release from a committed round. */
export const roundCandidateSchema = z
  .object({
    round: z.uuid(),
    release: releaseNameSchema.describe('the base'),
    backbone: sha256Schema,
    base: sha256Schema.describe('of the base’s head'),
    features: count,
    classes: count,
    update: z.base64().describe('float32, little endian: weights [features × classes] row by row, then biases'),
    aggregate: roundAggregateSchema,
    evaluation: evaluationSchema,
    committedAt: timestampSchema,
  })
  .meta({ id: 'RoundCandidate' });
export type RoundCandidate = z.infer<typeof roundCandidateSchema>;

export const federationRoutes = {
  createRound: route({
    method: 'POST',
    path: '/api/v1/rounds',
    summary: 'Start a federated round: devices train the head of a release on what they keep',
    tag,
    access: OPERATORS,
    body: roundSpecSchema,
    response: roundSummarySchema,
    status: 201,
  }),
  previewRound: route({
    method: 'POST',
    path: '/api/v1/rounds/preview',
    summary: 'Which devices could take part, without starting anything',
    tag,
    access: EVERY_ROLE,
    changesNothing: true,
    body: roundSpecSchema,
    response: z
      .object({
        devices: count.describe('that the target names'),
        eligible: count.describe('of those: online, with this backbone and enough labelled samples'),
        samples: count.describe('labelled samples that the eligible ones keep'),
        words: z.array(z.string()).describe('why the others are not, each reason with its number'),
      })
      .meta({ id: 'RoundPreview' }),
  }),
  listRounds: route({
    method: 'GET',
    path: '/api/v1/rounds',
    summary: 'Federated rounds, newest first',
    tag,
    access: EVERY_ROLE,
    query: pageQuerySchema,
    response: pageOf(roundSummarySchema),
  }),
  showRound: route({
    method: 'GET',
    path: '/api/v1/rounds/:id',
    summary: 'One round with its participants, aggregate and evaluation',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    response: roundDetailSchema,
  }),
  abandonRound: route({
    method: 'POST',
    path: '/api/v1/rounds/:id/actions/abandon',
    summary: 'End a round without a result',
    tag,
    access: OPERATORS,
    params: idParams,
    response: roundSummarySchema,
  }),
  showCandidate: route({
    method: 'GET',
    path: '/api/v1/rounds/:id/candidate',
    summary: 'The aggregated update of a committed round, for the publisher to build a release from',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    response: roundCandidateSchema,
  }),
};
