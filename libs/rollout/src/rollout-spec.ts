import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { parseSelector, SelectorError } from './selector.ts';

/** One wrong place of a specification. */
export interface SpecProblem {
  /** Where, e.g. `strategy.waves.1.size`. */
  readonly path: string;
  /** What was expected there, and what came. */
  readonly message: string;
}

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

const duration = z
  .union([z.string(), z.number().nonnegative()])
  .transform((value, context) => {
    const seconds = typeof value === 'number' ? value : parseDuration(value);
    if (seconds !== undefined) return seconds;
    context.addIssue({ code: 'custom', message: `expected a duration such as 30s, 10m, 2h or 1d, got "${value}"` });
    return z.NEVER;
  })
  .describe('seconds, or a duration such as 30m');

const share = z
  .union([z.string(), z.number().min(0).max(1)])
  .transform((value, context) => {
    if (typeof value === 'number') return value;
    const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim());
    const percent = Number(match?.[1]);
    if (match !== null && percent <= 100) return percent / 100;
    context.addIssue({ code: 'custom', message: `expected a share such as 5% or 0.05, got "${value}"` });
    return z.NEVER;
  })
  .describe('0 to 1, or a percentage such as 5%');

const waveSize = z
  .union([z.string(), z.number().int().positive()])
  .transform((value, context) => {
    if (typeof value === 'number') return { count: value } as const;
    const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim());
    const percent = Number(match?.[1]);
    if (match !== null && percent > 0 && percent <= 100) return { percent } as const;
    if (/^[1-9]\d*$/.test(value.trim())) return { count: Number(value) } as const;
    context.addIssue({
      code: 'custom',
      message: `expected a count such as 5, or 10 % written as "10%", got "${value}"`,
    });
    return z.NEVER;
  })
  .describe('how many devices have the release when the wave has passed: a count, or a percentage');

const waveSchema = z.strictObject({
  size: waveSize,
  minimum: z.number().int().positive().optional().describe('at least so many devices'),
  soak: duration.default(600).describe('how long to wait after its last device before judging for good'),
});

const probationSchema = z.strictObject({
  seconds: duration.default(60),
  minFrames: z.number().int().nonnegative().default(100),
  maxErrorRate: share.default(0.02),
  maxLowConfidenceRate: share.default(0.3),
  maxP95Ratio: z.number().positive().default(2).describe('p95 of a frame over that of the release before'),
});

const strategySchema = z.strictObject({
  waves: z
    .array(waveSchema)
    .min(1)
    .default([
      { size: { percent: 10 }, minimum: 1, soak: 1800 },
      { size: { percent: 50 }, soak: 1800 },
      { size: { percent: 100 }, soak: 600 },
    ]),
  stratifyBy: z.enum(['profile', 'none']).default('profile'),
  deadline: duration.default(21_600).describe('per device, silent ones too'),
  probation: probationSchema.prefault({}),
});

/** Gates on what has ended or was measured; each with the number below which it does not speak. */
const gateSchema = z.union([
  z.strictObject({
    execution: z.strictObject({ maxFailureRate: share, minimum: z.number().int().positive().default(1) }),
  }),
  z.strictObject({
    success: z.strictObject({ minSuccessRate: share, minimum: z.number().int().positive().default(1) }),
  }),
  z.strictObject({
    lowConfidenceRate: z.strictObject({
      max: share,
      minimumFrames: z.number().int().positive().default(100),
      minimumDevices: z.number().int().positive().default(1),
    }),
  }),
  z.strictObject({
    latencyP95: z.strictObject({
      maxMs: z.number().positive(),
      minimumDevices: z.number().int().positive().default(1),
    }),
  }),
  z.strictObject({ acceleratorFallback: z.strictObject({ max: z.number().int().nonnegative() }) }),
]);
export type Gate = z.output<typeof gateSchema>;

export const rolloutSpecSchema = z
  .strictObject({
    release: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]*@\d+\.\d+\.\d+\S*$/, 'expected model@version, e.g. meter-reader@1.4.0'),
    target: z
      .string()
      .min(1)
      .default('all')
      .describe('a selector, e.g. profile=rpi5 and site != lab; all for everything'),
    strategy: strategySchema.prefault({}),
    gates: z.array(gateSchema).default([{ execution: { maxFailureRate: 0.05, minimum: 5 } }]),
    onFailure: z.enum(['pause', 'rollback-wave', 'rollback-all']).default('rollback-all'),
  })
  .superRefine((spec, context) => {
    try {
      parseSelector(spec.target);
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      context.addIssue({ code: 'custom', path: ['target'], message: error.message });
    }
    const { waves } = spec.strategy;
    const last = waves.at(-1);
    if (last !== undefined && !('percent' in last.size && last.size.percent === 100)) {
      context.addIssue({
        code: 'custom',
        path: ['strategy', 'waves', waves.length - 1, 'size'],
        message: 'expected 100%: the last wave takes every device that is left',
      });
    }
    waves.forEach((wave, index) => {
      const before = waves[index - 1]?.size;
      if (before === undefined) return;
      const rises =
        'percent' in before && 'percent' in wave.size
          ? wave.size.percent > before.percent
          : 'count' in before && 'count' in wave.size
            ? wave.size.count > before.count
            : 'count' in before;
      if (rises) return;
      const message =
        'percent' in before && 'count' in wave.size
          ? 'expected a percentage: after a wave in percent, a count cannot be compared with it'
          : 'expected more than the wave before: sizes are cumulative';
      context.addIssue({ code: 'custom', path: ['strategy', 'waves', index, 'size'], message });
    });
  });

/** What a person asked for, with defaults filled in; durations in seconds, shares from 0 to 1. */
export type RolloutSpec = z.output<typeof rolloutSpecSchema>;
export type WaveSpec = RolloutSpec['strategy']['waves'][number];

const describe = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'unrecognized_keys') return `unknown: ${issue.keys.join(', ')}`;
  if (issue.code === 'invalid_union')
    return 'expected one of execution, success, lowConfidenceRate, latencyP95, acceleratorFallback with its own settings';
  return issue.message;
};

/**
 * Reads a specification as a person wrote it (rollout.yaml, or the body of a request).
 * @throws RolloutSpecError with every wrong place at once
 */
export const parseRolloutSpec = (value: unknown): RolloutSpec => {
  const result = rolloutSpecSchema.safeParse(value);
  if (result.success) return result.data;
  throw new RolloutSpecError(
    result.error.issues.map((issue) => ({ path: issue.path.map(String).join('.'), message: describe(issue) })),
  );
};
