import { z } from 'zod';
import { parseSelector } from '../selector-parser.ts';
import { SelectorError } from '../selector-token.ts';
import { contradictionsIn } from './contradictions.ts';
import { gateSchema } from './gate-spec.ts';
import { problemsOf, type SpecProblem } from './spec-problem.ts';
import { strategySchema } from './strategy-spec.ts';

/** A rollout specification that cannot be followed; every problem at once. */
export class RolloutSpecError extends Error {
  readonly code = 'rollout-spec-invalid';
  readonly problems: readonly SpecProblem[];
  constructor(problems: readonly SpecProblem[]) {
    const lines = problems.map(({ path, message }) => `${path === '' ? 'the specification' : path}: ${message}`);
    super(`The rollout cannot be created: ${lines.join('; ')}.`);
    this.problems = problems;
  }
}

/** A list of some hundred devices; longer ones belong in a label. */
const LONGEST_TARGET = 20_000;

const target = z
  .string()
  .min(1)
  .max(LONGEST_TARGET)
  .superRefine((text, context) => {
    try {
      parseSelector(text);
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  });

const RELEASE = 'expected model@version, e.g. meter-reader@1.4.0';

const release = z.string(RELEASE).regex(/^[a-z0-9][a-z0-9.-]*@\d+\.\d+\.\d+\S*$/, RELEASE);

export const rolloutSpecSchema = z.strictObject({
  release,
  requires: release.optional().describe('a device is told when it runs this release, or a later one of its model'),
  target: target.default('all').describe('a selector, e.g. profile=rpi5 and site != lab; all for everything'),
  priority: z
    .int()
    .min(0)
    .max(1_000)
    .default(500)
    .describe(
      'of two rollouts that want the same device, the one with the higher priority has it; of equal ones the newer',
    ),
  newcomers: z
    .enum(['join', 'ignore', 'continue'])
    .default('join')
    .describe(
      'devices that begin to fit while it is under way: taken with the last wave, left out, or taken without end',
    ),
  strategy: strategySchema.prefault({}),
  gates: z.array(gateSchema).default([{ execution: { maxFailureRate: 0.05, minimum: 5 } }]),
  onFailure: z.enum(['pause', 'rollback-wave', 'rollback-all']).default('rollback-all'),
  onUncertain: z
    .enum(['wait', 'pass'])
    .default('wait')
    .describe('when a wave was too small to tell: wait for a person to promote, or pass'),
  approval: z.enum(['none', 'required']).default('none').describe('whether a second person has to approve it'),
});

/** What a person asked for, with defaults filled in; durations in seconds, shares from 0 to 1. */
export type RolloutSpec = z.output<typeof rolloutSpecSchema>;

/**
 * Reads a specification as a person wrote it (rollout.yaml, or the body of a request).
 * @throws RolloutSpecError with every wrong place at once
 */
export const parseRolloutSpec = (value: unknown): RolloutSpec => {
  const result = rolloutSpecSchema.safeParse(value, { reportInput: true });
  const problems = result.success ? [] : result.error.issues.flatMap((issue) => problemsOf(issue));
  problems.push(...contradictionsIn(value));
  if (result.success && problems.length === 0) return result.data;
  throw new RolloutSpecError(problems);
};
