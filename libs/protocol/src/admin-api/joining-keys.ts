import { z } from 'zod';
import {
  deviceIdSchema,
  deviceNameSchema,
  labelsSchema,
  profileIdSchema,
  sha256Schema,
  timestampSchema,
} from '../identifiers.ts';
import { EVERY_ROLE, OPERATORS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'devices';
const keyParams = z.object({ fingerprint: sha256Schema });

/** What a device gets that joins with a key instead of a token, and what it has to be. */
const terms = {
  name: deviceNameSchema.optional().describe('what people call it; else what it says itself'),
  labels: labelsSchema.default({}),
  profile: profileIdSchema.optional().describe('only a board of this profile may join with the key'),
};

/** A key that may join without a token, or asks to. */
export const joiningKeySchema = z
  .object({
    fingerprint: sha256Schema.describe('SHA-256 over the SubjectPublicKeyInfo'),
    state: z.enum(['PREAUTHORIZED', 'PENDING', 'ACCEPTED', 'REJECTED']),
    name: z.string().nullable().describe('what it will be called; of a pending one, what it calls itself'),
    profile: z.string().nullable().describe('what it has to be; of a pending one, what its facts say that it is'),
    address: z.string().nullable().describe('from where it asked'),
    createdAt: timestampSchema,
    askedAt: timestampSchema.nullable(),
    expiresAt: timestampSchema,
    deviceId: deviceIdSchema.nullable().describe('the device that it became'),
  })
  .meta({ id: 'JoiningKey' });
export type JoiningKey = z.infer<typeof joiningKeySchema>;

export const joiningKeyRoutes = {
  listJoiningKeys: route({
    method: 'GET',
    path: '/api/v1/joining-keys',
    summary: 'Keys that may join without a token, and those that ask to; and how a board asks',
    tag,
    access: EVERY_ROLE,
    response: z.object({
      items: z.array(joiningKeySchema).describe('the newest 1,000'),
      deviceUrl: z.string(),
      caFingerprint: sha256Schema,
    }),
  }),
  preauthorizeKey: route({
    method: 'POST',
    path: '/api/v1/joining-keys',
    summary: 'Let the holder of a public key join once, without a token',
    tag,
    access: OPERATORS,
    body: z.object({
      publicKey: z.string().startsWith('-----BEGIN PUBLIC KEY-----').max(2048).describe('PEM, P-256'),
      ttlSeconds: z
        .int()
        .min(1)
        .max(365 * 86_400)
        .default(30 * 86_400),
      ...terms,
    }),
    response: joiningKeySchema,
    status: 201,
  }),
  approveKey: route({
    method: 'POST',
    path: '/api/v1/joining-keys/:fingerprint/approve',
    summary: 'Let a pending key join; compare the whole fingerprint with what the board shows',
    tag,
    access: OPERATORS,
    params: keyParams,
    body: z.object(terms),
    response: joiningKeySchema,
  }),
  rejectKey: route({
    method: 'POST',
    path: '/api/v1/joining-keys/:fingerprint/reject',
    summary: 'Let a key not join: a pending one, or one that was let before and has not joined yet',
    tag,
    access: OPERATORS,
    params: keyParams,
    response: joiningKeySchema,
  }),
};
