import { z } from 'zod';
import { releaseNameSchema, sha256Schema, timestampSchema } from './identifiers.ts';

/** Frames that one operator profile may be asked to run: it takes the board's time from what serves. */
export const MOST_PROFILED_FRAMES = 200;
/** Operators, and types of operators, that a profile names: the slowest. All of them are in its sums. */
export const MOST_PROFILED_OPERATORS = 30;

const count = z
  .int()
  .nonnegative()
  .max(2 ** 48);
const microseconds = z.number().nonnegative().describe('µs, all calls together');
const word = z.string().max(200);

const operatorSchema = z.object({
  model: word.nullable().describe('of a release with several models: which one; else null'),
  name: word.describe('of the node in the graph as ONNX Runtime has optimised it'),
  type: word.describe('e.g. Conv'),
  provider: word.describe('execution provider that ran it, e.g. CPUExecutionProvider'),
  calls: count,
  totalUs: microseconds,
});

/** What the operators of a release cost on a device, as ONNX Runtime itself has measured it. */
export const operatorProfileSchema = z
  .object({
    release: releaseNameSchema,
    digest: sha256Schema.describe('SHA-256 of the plain variant archive'),
    provider: word.describe('on which its models run'),
    frames: count.describe('that were run; fewer than asked where memory or time was short'),
    runs: count.describe('of models, for these frames'),
    runUs: microseconds.describe('µs of these runs; more than what their operators took, by what lies between them'),
    operatorUs: microseconds.describe('µs of all operators, each without those that ran inside it'),
    operators: count.describe('how many different ones there were'),
    slowest: z.array(operatorSchema).max(MOST_PROFILED_OPERATORS).describe('the slowest in all, the slowest first'),
    types: z
      .array(z.object({ type: word, provider: word, operators: count, calls: count, totalUs: microseconds }))
      .max(MOST_PROFILED_OPERATORS)
      .describe('the same by type and provider, the slowest first'),
  })
  .meta({ id: 'OperatorProfile' });
export type OperatorProfile = z.infer<typeof operatorProfileSchema>;

/** Why a device has made no profile. */
export const profileRefusalSchema = z.object({
  code: z.string().regex(/^[a-z0-9-]{1,64}$/),
  message: z.string().max(1000),
});
export type ProfileRefusal = z.infer<typeof profileRefusalSchema>;

/** What a device is asked for. */
export const operatorProfileTaskSchema = z.object({
  id: z.uuid(),
  frames: z.int().min(1).max(MOST_PROFILED_FRAMES),
  expiresAt: timestampSchema.describe('after this nobody waits for it any more'),
});
export type OperatorProfileTask = z.infer<typeof operatorProfileTaskSchema>;
