import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { parseSelector } from './selector-parser.ts';
import { SelectorError } from './selector-token.ts';
import { problemsOf, type SpecProblem, shown } from './spec-problem.ts';

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

/** Nothing in a rollout takes longer; it also keeps every time within what a database can store. */
const LONGEST_S = 366 * 86_400;

/** A number or a text that `read` understands; whatever else came is answered with what was expected. */
const scalar = <T>(expected: string, read: (value: string | number) => T | undefined) =>
  z.union([z.string(), z.number()], { error: `expected ${expected}` }).transform((value, context) => {
    const result = read(typeof value === 'string' ? value.trim() : value);
    if (result !== undefined) return result;
    context.addIssue({ code: 'custom', message: `expected ${expected}, got ${shown(value)}` });
    return z.NEVER;
  });

const duration = scalar('a duration such as 30s, 10m, 2h or 1d, at most 366d', (value) => {
  const seconds = typeof value === 'number' ? value : parseDuration(value);
  return seconds !== undefined && seconds >= 0 && seconds <= LONGEST_S ? seconds : undefined;
}).describe('seconds, or a duration such as 30m');

const percentOf = (text: string): number | undefined => {
  const [, percent] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text) ?? [];
  return percent !== undefined && Number(percent) <= 100 ? Number(percent) : undefined;
};

const share = scalar('a share such as 5% or 0.05', (value) => {
  if (typeof value === 'number') return value >= 0 && value <= 1 ? value : undefined;
  const percent = percentOf(value);
  // The number next to 0.007, as 7 of 1000 is, and not 0.7 / 100, which is a little less.
  return percent === undefined ? undefined : Number((percent / 100).toPrecision(12));
}).describe('0 to 1, or a percentage such as 5%');

const waveSize = scalar('a count such as 5, or 10 % written as "10%"', (value) => {
  if (typeof value === 'string' && value.endsWith('%')) {
    const percent = percentOf(value);
    return percent === undefined || percent === 0 ? undefined : { percent };
  }
  if (typeof value === 'string' && !/^\d+$/.test(value)) return undefined;
  const count = Number(value);
  return Number.isSafeInteger(count) && count > 0 ? { count } : undefined;
}).describe('how many devices have the release when the wave has passed: a count, or a percentage');

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

const wavesSchema = z
  .array(waveSchema)
  .min(1)
  .superRefine((waves, context) => {
    const last = waves.at(-1);
    if (last !== undefined && !('percent' in last.size && last.size.percent === 100)) {
      context.addIssue({
        code: 'custom',
        path: [waves.length - 1, 'size'],
        message: 'expected 100%: the last wave takes every device that is left',
      });
    }
    waves.forEach(({ size }, index) => {
      const before = waves[index - 1]?.size;
      if (before === undefined) return;
      const rises =
        'percent' in before
          ? 'percent' in size && size.percent > before.percent
          : 'percent' in size || size.count > before.count;
      if (rises) return;
      const message =
        'percent' in before && 'count' in size
          ? 'expected a percentage: after a wave in percent, a count cannot be compared with it'
          : 'expected more than the wave before: sizes are cumulative';
      context.addIssue({ code: 'custom', path: [index, 'size'], message });
    });
  });

const strategySchema = z.strictObject({
  waves: wavesSchema.default([
    { size: { percent: 10 }, minimum: 1, soak: 1800 },
    { size: { percent: 50 }, soak: 1800 },
    { size: { percent: 100 }, soak: 600 },
  ]),
  stratifyBy: z.enum(['profile', 'none']).default('profile'),
  deadline: duration
    .refine((seconds) => seconds > 0, 'expected more than 0: a device needs time to bring the release in')
    .default(21_600)
    .describe('per device, silent ones too'),
  probation: probationSchema.prefault({}),
});

/** Gates on what has ended or was measured; each with the number below which it does not speak. */
const GATES = 'execution, success, lowConfidenceRate, latencyP95, acceleratorFallback';

const gateSchema = z.union(
  [
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
  ],
  { error: `expected one of ${GATES} with its own settings` },
);
export type Gate = z.output<typeof gateSchema>;

/** Longer ones are made by programs, and belong in a label. */
const LONGEST_TARGET = 2_000;

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

export const rolloutSpecSchema = z.strictObject({
  release: z.string(RELEASE).regex(/^[a-z0-9][a-z0-9.-]*@\d+\.\d+\.\d+\S*$/, RELEASE),
  target: target.default('all').describe('a selector, e.g. profile=rpi5 and site != lab; all for everything'),
  strategy: strategySchema.prefault({}),
  gates: z.array(gateSchema).default([{ execution: { maxFailureRate: 0.05, minimum: 5 } }]),
  onFailure: z.enum(['pause', 'rollback-wave', 'rollback-all']).default('rollback-all'),
});

/** What a person asked for, with defaults filled in; durations in seconds, shares from 0 to 1. */
export type RolloutSpec = z.output<typeof rolloutSpecSchema>;
export type WaveSpec = RolloutSpec['strategy']['waves'][number];

/**
 * Reads a specification as a person wrote it (rollout.yaml, or the body of a request).
 * @throws RolloutSpecError with every wrong place at once
 */
export const parseRolloutSpec = (value: unknown): RolloutSpec => {
  const result = rolloutSpecSchema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw new RolloutSpecError(result.error.issues.flatMap((issue) => problemsOf(issue)));
};
