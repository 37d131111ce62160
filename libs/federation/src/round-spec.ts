import { z } from 'zod';

const seconds = z
  .int()
  .min(1)
  .max(30 * 86_400);

/** How each device trains: plain stochastic gradient descent over its own labelled samples. */
export const trainingSchema = z
  .strictObject({
    epochs: z.int().min(1).max(1000).default(5).describe('passes over the device’s samples'),
    batchSize: z.int().min(1).max(4096).default(16),
    learningRate: z.number().positive().max(100).default(0.05),
    seed: z
      .int()
      .nonnegative()
      .default(1)
      .describe('of the order of samples, so that a device that starts again sends the same'),
  })
  .meta({ id: 'RoundTraining' });
export type RoundTraining = z.infer<typeof trainingSchema>;

/** What a person asks for when starting a round. */
export const roundSpecSchema = z
  .strictObject({
    release: z.string().describe('the release whose head is to be improved, e.g. meter-reader@1.1.0'),
    target: z.string().max(2000).default('all').describe('a selector: which devices may take part'),
    goal: z.int().min(1).max(100_000).default(10).describe('updates with which collecting ends'),
    minimum: z
      .int()
      .min(1)
      .optional()
      .describe('updates with which a late round is still worth it; default: half of the goal'),
    overSelection: z.number().min(1).max(10).default(1.3).describe('devices asked, as a multiple of the goal'),
    evaluators: z.int().min(1).max(100_000).default(1).describe('devices kept from training, to judge the result'),
    minSamples: z.int().min(1).default(50).describe('labelled samples that a device must have'),
    selectFor: seconds.default(600).describe('seconds to wait until enough devices are eligible'),
    collectFor: seconds.default(3600).describe('seconds in which updates are taken'),
    evaluateFor: seconds.default(1800).describe('seconds in which evaluations are taken'),
    clipNorm: z
      .number()
      .positive()
      .nullable()
      .default(null)
      .describe('longest update, L2; longer ones are shortened to it. null: the median length of those that came'),
    margin: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('accuracy that the candidate may lose against the base on devices that did not train'),
    training: trainingSchema.prefault({}),
  })
  .refine(({ goal, minimum }) => minimum === undefined || minimum <= goal, {
    path: ['minimum'],
    error: 'expected at most the goal: collecting ends with it',
  })
  .meta({ id: 'RoundSpec' });
export type RoundSpec = z.infer<typeof roundSpecSchema>;
