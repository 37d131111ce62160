import type { RoundTraining } from '@aviary/federation';
import type { ManifestTraining } from '@aviary/release';
import { z } from 'zod';

/** The trainer's only argument, as JSON. */
export const trainerConfigSchema = z.object({
  folder: z.string(),
  /** Process id of the supervisor: without it nobody waits for the result. */
  supervisor: z.int(),
});
export type TrainerConfig = z.infer<typeof trainerConfigSchema>;

interface Common {
  /** Paths in the folder of the opened release. */
  readonly modelFile: string;
  readonly training: ManifestTraining;
  readonly samples: number;
}

/** What the supervisor asks; labels, features and, to evaluate, an update travel as the body. */
export type TrainerRequest =
  | (Common & {
      readonly kind: 'train';
      readonly how: RoundTraining;
      /** With the seed it decides the order of samples. */
      readonly round: string;
    })
  | (Common & { readonly kind: 'evaluate' });

const answersSchema = z.object({ correct: z.int().nonnegative(), loss: z.number() });

/** What the trainer answers, once. */
export const trainerReplySchema = z.discriminatedUnion('kind', [
  /** With the update, float32, as its body. */
  z.object({ kind: z.literal('trained'), loss: z.number() }),
  z.object({ kind: z.literal('evaluated'), base: answersSchema, candidate: answersSchema }),
  z.object({
    kind: z.literal('failed'),
    code: z.enum(['head-stale', 'training-diverged', 'training-failed']),
    words: z.string(),
  }),
]);
export type TrainerReply = z.infer<typeof trainerReplySchema>;
