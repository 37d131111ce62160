import { PARTS, trainingSchema } from '@aviary/federation';
import { deviceFactsSchema } from '@aviary/hardware';
import { z } from 'zod';
import { envelopeSchema } from './envelope.ts';
import {
  deviceIdSchema,
  deviceNameSchema,
  metadataFileSchema,
  releaseNameSchema,
  sha256Schema,
  timestampSchema,
} from './identifiers.ts';
import { operatorProfileTaskSchema } from './operator-profile.ts';
import { route } from './route.ts';

const csrSchema = z
  .string()
  .startsWith('-----BEGIN CERTIFICATE REQUEST-----')
  .max(4096)
  .describe('PKCS#10 in PEM, P-256');

const recipientSchema = z.string().startsWith('age1').max(128).describe('the age recipient made on the device');

export const enrollChallengeRequestSchema = z.object({ csr: csrSchema, recipient: recipientSchema });

export const enrollChallengeSchema = z.object({
  header: z.base64().describe('an age header; its file key, which only the recipient can open, is the answer'),
  salt: z.base64url(),
  expiresAt: timestampSchema,
});
export type EnrollChallenge = z.infer<typeof enrollChallengeSchema>;

export const enrollRequestSchema = z.object({
  secret: z
    .string()
    .max(256)
    .optional()
    .describe('the secret of the join token; without one the key must be preauthorised, or is put before an operator'),
  deviceId: deviceIdSchema.optional().describe('which device this board is already; it then joins again as the same'),
  csr: csrSchema,
  recipient: recipientSchema,
  proof: z
    .object({ salt: z.base64url().max(64), expiresAt: timestampSchema, answer: z.base64url().max(64) })
    .describe('the challenge for this request and recipient, and its answer'),
  name: deviceNameSchema.describe('what people call it; the host name, normally'),
  facts: deviceFactsSchema,
});
export type EnrollRequest = z.infer<typeof enrollRequestSchema>;

export const enrollResponseSchema = z.object({
  deviceId: deviceIdSchema,
  epoch: z.int().positive(),
  certificate: z.string().describe('PEM'),
  fleetCa: z.string().describe('PEM'),
  mqttUrl: z.string().describe('e.g. mqtts://fleet.example:8883'),
  root: z.string().describe('root metadata (TUF) of the image repository, in JSON; pinned by the device'),
});
export type EnrollResponse = z.infer<typeof enrollResponseSchema>;

export const renewRequestSchema = z.object({ csr: csrSchema });

export const renewResponseSchema = z.object({ certificate: z.string().describe('PEM') });
export type RenewResponse = z.infer<typeof renewResponseSchema>;

/** What a device should run, signed for it by the director. What may be run at all says the image repository. */
export const assignmentResponseSchema = z.object({ assignment: envelopeSchema });
export type AssignmentResponse = z.infer<typeof assignmentResponseSchema>;

const idParams = z.object({ id: z.uuid() });
const count = z.int().nonnegative();

/** A device's part in a federated round. It does it only when its owner lets it learn. */
export const roundTaskSchema = z.object({
  round: z.uuid(),
  part: z.enum(PARTS),
  release: releaseNameSchema,
  backbone: sha256Schema,
  base: sha256Schema.describe('of the head from which to start; another one is refused as stale'),
  training: trainingSchema,
  minSamples: count,
  update: sha256Schema.nullable().describe('of the aggregated update to evaluate; null while training'),
  deadlineAt: timestampSchema.describe('later answers are refused'),
});
export type RoundTask = z.infer<typeof roundTaskSchema>;

export const roundUpdateQuerySchema = z.object({
  base: sha256Schema,
  sha256: sha256Schema.describe('of the body'),
  samples: z.coerce.number().int().positive(),
  loss: z.coerce.number().describe('mean cross entropy over its samples, after training'),
});

const answersSchema = z.object({ correct: count, loss: z.number().describe('mean cross entropy of a sample') });

export const roundEvaluationSchema = z.object({
  update: sha256Schema,
  samples: count,
  base: answersSchema,
  candidate: answersSchema,
});
export type RoundEvaluationReport = z.infer<typeof roundEvaluationSchema>;

const tag = 'device plane';

/** The device plane: HTTPS on its own port. All but joining demand the device's certificate. */
export const deviceRoutes = {
  enrollChallenge: route({
    method: 'POST',
    path: '/device/v1/enroll/challenge',
    summary: 'Something that only the holder of the age recipient can open; the first half of joining',
    tag,
    access: 'public',
    body: enrollChallengeRequestSchema,
    response: enrollChallengeSchema,
  }),
  enroll: route({
    method: 'POST',
    path: '/device/v1/enroll',
    summary:
      'Trade a join token, a certificate request and an age recipient for an identity. Without a token: 403 with code enrolment-pending until the key is approved; ask again every few seconds',
    tag,
    access: 'public',
    body: enrollRequestSchema,
    response: enrollResponseSchema,
    status: 201,
  }),
  renew: route({
    method: 'POST',
    path: '/device/v1/renew',
    summary:
      'The next certificate of this device. Takes its newest one, also when it has expired up to 30 days ago; that one counts until the next was used',
    tag,
    access: 'device',
    body: renewRequestSchema,
    response: renewResponseSchema,
  }),
  assignment: route({
    method: 'GET',
    path: '/device/v1/assignment',
    summary: 'What this device should run, signed; 404 with code assignment-unknown when nothing was ever assigned',
    tag,
    access: 'device',
    response: assignmentResponseSchema,
  }),
  blob: route({
    method: 'GET',
    path: '/device/v1/blobs/:sha256',
    summary: 'The sealed bytes of a variant that this device was assigned; takes Range',
    tag,
    access: 'device',
    params: z.object({ sha256: sha256Schema }),
    download: 'application/octet-stream',
  }),
  metadata: route({
    method: 'GET',
    path: '/device/v1/trust/metadata/:file',
    summary: 'Metadata (TUF) of the image repository, e.g. timestamp.json or 3.root.json',
    tag,
    access: 'device',
    params: z.object({ file: metadataFileSchema }),
    response: z.unknown(),
  }),
  fleetTarget: route({
    method: 'GET',
    path: '/device/v1/trust/targets/:sha256',
    summary: 'A small file that the publisher signed for the whole fleet: who may assign, what must stop',
    tag,
    access: 'device',
    params: z.object({ sha256: sha256Schema }),
    response: z.unknown(),
  }),
  operatorProfileTask: route({
    method: 'GET',
    path: '/device/v1/operator-profile',
    summary: 'The operator profile that it is asked for; 404 with code operator-profile-none when there is none',
    tag,
    access: 'device',
    response: operatorProfileTaskSchema,
  }),
  roundTask: route({
    method: 'GET',
    path: '/device/v1/round',
    summary: 'Its part in a federated round; 404 with code round-none when there is none',
    tag,
    access: 'device',
    response: roundTaskSchema,
  }),
  roundAggregate: route({
    method: 'GET',
    path: '/device/v1/rounds/:id/aggregate',
    summary: 'The aggregated update that is to be evaluated: float32, little endian',
    tag,
    access: 'device',
    params: idParams,
    response: z.unknown(),
  }),
  sendUpdate: route({
    method: 'PUT',
    path: '/device/v1/rounds/:id/update',
    summary: 'What training has changed: float32, little endian; the same one again is answered as before',
    tag,
    access: 'device',
    params: idParams,
    query: roundUpdateQuerySchema,
    upload: 'application/octet-stream',
  }),
  sendEvaluation: route({
    method: 'POST',
    path: '/device/v1/rounds/:id/evaluation',
    summary: 'How the base and the candidate answer the device’s own labelled samples',
    tag,
    access: 'device',
    params: idParams,
    body: roundEvaluationSchema,
  }),
  declineRound: route({
    method: 'POST',
    path: '/device/v1/rounds/:id/decline',
    summary: 'The device does not take part, and says why',
    tag,
    access: 'device',
    params: idParams,
    body: z.object({ code: z.string().regex(/^[a-z0-9-]{1,64}$/), reason: z.string().max(1000) }),
  }),
};
