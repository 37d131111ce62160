import { rolloutModeSchema, updateWindowSchema } from '@aviary/rollout';
import { z } from 'zod';

/**
 * On which terms a device may switch to what it is assigned. It keeps to them by itself, by its own clock and without a
 * network.
 */
export const switchTermsSchema = z.object({
  mode: rolloutModeSchema,
  /** It switches within this window only. */
  window: updateWindowSchema.exactOptional(),
  /** Milliseconds since 1970; from then on a soft one needs no consent. */
  forceAt: z.number().int().nonnegative().exactOptional(),
});
export type SwitchTerms = z.infer<typeof switchTermsSchema>;
