import { z } from 'zod';

/**
 * On which terms a device may switch to what it is assigned. It keeps to them by itself, by its own clock and without a
 * network. What a mode means, and whether a window can be read, is known by whoever plans rollouts.
 */
export const switchTermsSchema = z.object({
  mode: z.enum(['forced', 'soft', 'download-only']),
  /** It switches within this window only: from each time that the cron fires, for so many seconds. */
  window: z.object({ cron: z.string(), duration: z.number().positive(), zone: z.string() }).exactOptional(),
  /** Milliseconds since 1970; from then on a soft one needs no consent. */
  forceAt: z.number().int().nonnegative().exactOptional(),
});
export type SwitchTerms = z.infer<typeof switchTermsSchema>;
