import { deviceFactsSchema } from '@aviary/hardware';
import { z } from 'zod';
import { envelopeSchema } from './envelope.ts';
import { deviceIdSchema, deviceNameSchema, sha256Schema } from './identifiers.ts';
import { route } from './route.ts';

export const enrollRequestSchema = z.object({
  secret: z.string().describe('the secret of the join token'),
  csr: z.string().startsWith('-----BEGIN CERTIFICATE REQUEST-----').describe('PKCS#10 in PEM, P-256'),
  recipient: z.string().startsWith('age1').describe('the age recipient made on the device'),
  name: deviceNameSchema.describe('what people call it; the host name, normally'),
  facts: deviceFactsSchema,
});
export type EnrollRequest = z.infer<typeof enrollRequestSchema>;

export const enrollResponseSchema = z.object({
  deviceId: deviceIdSchema,
  epoch: z.number().int().positive(),
  certificate: z.string().describe('PEM'),
  fleetCa: z.string().describe('PEM'),
  mqttUrl: z.string().describe('e.g. mqtts://fleet.example:8883'),
  directorKeys: z.array(z.string()).describe('public keys (PEM) that may sign assignments'),
  publisherKeys: z.array(z.string()).describe('public keys (PEM) that may sign releases; pinned by the device'),
});
export type EnrollResponse = z.infer<typeof enrollResponseSchema>;

/** What a device should run. Both parts are signed: by the director for this device, and by the publisher for all. */
export const assignmentResponseSchema = z.object({
  assignment: envelopeSchema,
  statement: envelopeSchema,
});
export type AssignmentResponse = z.infer<typeof assignmentResponseSchema>;

const tag = 'device plane';

/** The device plane: HTTPS on its own port. All but `enroll` demand the device's certificate. */
export const deviceRoutes = {
  enroll: route({
    method: 'POST',
    path: '/device/v1/enroll',
    summary: 'Trade a join token, a certificate request and an age recipient for an identity',
    tag,
    body: enrollRequestSchema,
    response: enrollResponseSchema,
    status: 201,
  }),
  assignment: route({
    method: 'GET',
    path: '/device/v1/assignment',
    summary: 'What this device should run, signed; 404 with code assignment-unknown when nothing was ever assigned',
    tag,
    response: assignmentResponseSchema,
  }),
  blob: route({
    method: 'GET',
    path: '/device/v1/blobs/:sha256',
    summary: 'The sealed bytes of a variant that this device was assigned; takes Range',
    tag,
    params: z.object({ sha256: sha256Schema }),
    response: z.unknown(),
  }),
};
