import { z } from 'zod';
import { deviceIdSchema, timestampSchema } from '../identifiers.ts';
import { ADMINS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'diagnosis';

const csrSchema = z.string().max(10_000).describe('PKCS#10 in PEM, with a P-256 key that stays where it was made');

/** A host name or an address, without wildcards. */
const hostSchema = z
  .string()
  .max(253)
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9.:-]*[a-zA-Z0-9])?$/, 'expected a host name or an IP address');

export const brokerCertificateSchema = z
  .object({
    certificate: z.string().describe('of the broker, then the fleet CA, in PEM'),
    expiresAt: timestampSchema,
    fleetCa: z.string().describe('by which the broker knows devices'),
    gatewayCa: z.string().describe('by which the broker knows gateways, on a port of their own'),
    gatewayName: z.string().describe('common name of every gateway; no device can be called so'),
  })
  .meta({ id: 'BrokerCertificate' });

export const probeSchema = z
  .object({
    id: deviceIdSchema,
    certificate: z.string(),
    fleetCa: z.string(),
    deviceUrl: z.string(),
    mqttUrl: z.string(),
    expiresAt: timestampSchema,
  })
  .meta({ id: 'Probe' });
export type Probe = z.infer<typeof probeSchema>;

const verdictSchema = z.object({ ok: z.boolean(), words: z.string() });

export const diagnosisSchema = z
  .object({
    now: timestampSchema.describe('the clock of the control plane'),
    masterKey: verdictSchema.describe('whether it is where it belongs, and opens what is sealed'),
    blobs: z.object({
      freeBytes: z.int().nonnegative(),
      totalBytes: z.int().nonnegative(),
    }),
    broker: z.enum(['embedded', 'external']),
  })
  .meta({ id: 'Diagnosis' });
export type Diagnosis = z.infer<typeof diagnosisSchema>;

export const diagnosisRoutes = {
  showDiagnosis: route({
    method: 'GET',
    path: '/api/v1/diagnosis',
    summary: 'What only the control plane can see of itself',
    tag,
    access: ADMINS,
    response: diagnosisSchema,
  }),
  createProbe: route({
    method: 'POST',
    path: '/api/v1/probes',
    summary: 'Make an identity for ten minutes, with which the way of devices is tested',
    tag,
    access: ADMINS,
    body: z.object({ csr: csrSchema }),
    response: probeSchema,
    status: 201,
  }),
  removeProbe: route({
    method: 'DELETE',
    path: '/api/v1/probes/:id',
    summary: 'Take the identity of a test back',
    tag,
    access: ADMINS,
    params: z.object({ id: deviceIdSchema }),
  }),
  certifyBroker: route({
    method: 'POST',
    path: '/api/v1/broker-certificates',
    summary: 'Certify the key of an external MQTT broker, which the fleet will then trust',
    tag,
    access: ADMINS,
    body: z.object({ csr: csrSchema, hosts: z.array(hostSchema).min(1).max(16) }),
    response: brokerCertificateSchema,
    status: 201,
  }),
};
