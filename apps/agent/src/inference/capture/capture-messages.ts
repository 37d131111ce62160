import { z } from 'zod';

/** The capture's only argument, as JSON. */
export const captureConfigSchema = z.object({
  path: z.string(),
  fps: z.number().positive(),
});
export type CaptureConfig = z.infer<typeof captureConfigSchema>;

/** What the capture says; a frame's picture, as its file has it, is the message's body. */
export const captureMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('frame'), file: z.string(), truth: z.string().exactOptional() }),
  z.object({ kind: z.literal('unreadable'), file: z.string(), words: z.string() }),
  z.object({ kind: z.literal('state'), flowing: z.boolean(), words: z.string() }),
]);
export type CaptureMessage = z.infer<typeof captureMessageSchema>;
