import { z } from 'zod';
import { deviceIdSchema, timestampSchema } from '../identifiers.ts';
import { MOST_PROFILED_FRAMES, operatorProfileSchema, profileRefusalSchema } from '../operator-profile.ts';
import { EVERY_ROLE, OPERATORS } from '../roles.ts';
import { route } from '../route.ts';

const tag = 'devices';
const idParams = z.object({ id: deviceIdSchema });

/** An operator profile that somebody asked a device for, and what became of it. */
export const requestedProfileSchema = z
  .object({
    id: z.uuid(),
    state: z
      .enum(['WAITING', 'DONE', 'REFUSED', 'EXPIRED'])
      .describe('EXPIRED: the device did not ask for it in time; what it still sends is taken'),
    frames: z.int().describe('that were asked for'),
    by: z.string().describe('who asked'),
    requestedAt: timestampSchema,
    expiresAt: timestampSchema,
    endedAt: timestampSchema.nullable(),
    profile: operatorProfileSchema.nullable(),
    refusal: profileRefusalSchema.nullable().describe('why the device has made none'),
  })
  .meta({ id: 'RequestedProfile' });
export type RequestedProfile = z.infer<typeof requestedProfileSchema>;

export const operatorProfileRoutes = {
  requestOperatorProfile: route({
    method: 'POST',
    path: '/api/v1/devices/:id/operator-profiles',
    summary:
      'Ask a device what each operator of the release that serves costs it; one at a time. A device that is offline is told when it comes back, until the request expires',
    tag,
    access: OPERATORS,
    params: idParams,
    body: z.object({
      frames: z.int().min(1).max(MOST_PROFILED_FRAMES).default(20),
      expiresInSeconds: z
        .int()
        .min(30)
        .max(7 * 86_400)
        .default(600),
    }),
    response: requestedProfileSchema,
    status: 201,
  }),
  listOperatorProfiles: route({
    method: 'GET',
    path: '/api/v1/devices/:id/operator-profiles',
    summary: 'The operator profiles that a device was asked for, newest first',
    tag,
    access: EVERY_ROLE,
    params: idParams,
    response: z.object({ items: z.array(requestedProfileSchema).describe('the newest five') }),
  }),
};
