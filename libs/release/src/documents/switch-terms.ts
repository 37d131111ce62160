import { z } from 'zod';

/** How a release runs in shadow before it may serve: beside the one that serves, on the same frames. */
export const shadowTermsSchema = z.object({
  /** At most so long, however many frames come. */
  seconds: z.number().positive(),
  /** It ends when so many frames have been compared. */
  frames: z.int().positive().exactOptional(),
  /** It sees every so-many-th frame. */
  every: z.int().positive(),
  /** It must agree with what serves on so many, 0 to 1. Absent: how far it agrees is only told. */
  minAgreement: z.number().min(0).max(1).exactOptional(),
});
export type ShadowTerms = z.infer<typeof shadowTermsSchema>;

/**
 * On which terms a device may switch to what it is assigned. It keeps to them by itself, by its own clock and without a
 * network. What a mode means, and whether a window can be read, is known by whoever plans rollouts.
 */
export const switchTermsSchema = z.object({
  mode: z.enum(['forced', 'soft', 'download-only']),
  /** It switches within this window only: from each time that the cron fires, for so many seconds. */
  window: z.object({ cron: z.string(), duration: z.number().positive(), zone: z.string() }).exactOptional(),
  /** Milliseconds since 1970; from then on a soft one needs no consent. */
  forceAt: z.int().nonnegative().exactOptional(),
  /** Absent: it does not run in shadow. */
  shadow: shadowTermsSchema.exactOptional(),
});
export type SwitchTerms = z.infer<typeof switchTermsSchema>;
