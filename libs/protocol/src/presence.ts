import { z } from 'zod';

/**
 * Payload of `up/presence`, and of the last will. `session` is raised by the device with each connection, so that a
 * will that arrives late cannot mark a newer connection as gone.
 */
export const presenceSchema = z.object({
  online: z.boolean(),
  session: z.int().positive(),
  agentVersion: z.string().max(64).optional(),
});
export type Presence = z.infer<typeof presenceSchema>;

/**
 * Payload of `down/doorbell`. It may only make a device look sooner; what the device then does is decided by the
 * signed documents that it pulls.
 */
export const doorbellSchema = z.object({ reason: z.enum(['assignment', 'round', 'trust', 'operator-profile']) });
export type Doorbell = z.infer<typeof doorbellSchema>;
