import { z } from 'zod';
import { duration, fleetShare, positiveDuration, share } from './scalars.ts';
import { updateWindowSchema } from './window-spec.ts';

/** The deadline runs on, and so does the memory that two releases take. */
const LONGEST_SHADOW_S = 3_600;

const waveSchema = z.strictObject({
  size: fleetShare.describe('how many devices have the release when the wave has passed: a count, or a percentage'),
  minimum: z.int().positive().optional().describe('at least so many devices'),
  soak: duration.default(600).describe('how long to wait after its last device before judging for good'),
});
export type WaveSpec = z.output<typeof waveSchema>;

const probationSchema = z.strictObject({
  seconds: duration.default(60),
  minFrames: z.int().nonnegative().default(100),
  maxErrorRate: share.default(0.02),
  maxLowConfidenceRate: share.default(0.3),
  maxP95Ratio: z.number().positive().default(2).describe('p95 of a frame over that of the release before'),
});

const shadowSchema = z.strictObject({
  seconds: positiveDuration('it has to see some frames')
    .refine((seconds) => seconds <= LONGEST_SHADOW_S, 'expected at most 1h: two releases run on the device meanwhile')
    .default(60)
    .describe('how long at most it runs beside what serves, also where no frames come'),
  frames: z.int().positive().max(1_000_000).optional().describe('it ends when so many frames were compared'),
  every: z.int().positive().max(1_000_000).default(1).describe('it sees every so-many-th frame'),
  minAgreement: share
    .optional()
    .describe('it must agree with what serves on so many frames; default: its agreement is only told'),
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

const rateSchema = z.strictObject({
  perMinute: z.number().positive().max(1_000_000).describe('devices that are told of the release in a minute'),
  increase: z.number().min(1).max(10).default(1).describe('so many times as fast after each `every` successes'),
  every: z.int().positive().optional().describe('successes after which it is raised; default: perMinute'),
});
export type RateSpec = z.output<typeof rateSchema>;

/** Forced: a device switches as soon as it can. Soft: once an application on the board agrees. Download-only: it never does. */
const rolloutModeSchema = z.enum(['forced', 'soft', 'download-only']);
export type RolloutMode = z.output<typeof rolloutModeSchema>;

/** How a rollout goes over the fleet; durations in seconds. */
export const strategySchema = z.strictObject({
  control: fleetShare.optional().describe('devices held back until the last wave, for comparison'),
  compareOver: positiveDuration('there is nothing to measure in no time')
    .refine((seconds) => seconds >= 60, 'expected at least 1m: devices are measured by the minute')
    .default(600)
    .describe('how long a device is measured before and after it switches'),
  waves: wavesSchema.default([
    { size: { percent: 10 }, minimum: 1, soak: 1800 },
    { size: { percent: 50 }, soak: 1800 },
    { size: { percent: 100 }, soak: 600 },
  ]),
  stratifyBy: z
    .literal('profile', 'expected profile: every wave looks like the fleet, and devices are compared within a profile')
    .default('profile'),
  rate: rateSchema.optional().describe('how fast devices are told; default: all of a wave at once'),
  deadline: positiveDuration('a device needs time to bring the release in')
    .default(21_600)
    .describe('per device, silent ones too'),
  retries: z.int().min(0).max(10).default(0).describe('how often a failed device tries again'),
  window: updateWindowSchema.optional().describe('when devices may be told, and may switch'),
  mode: rolloutModeSchema
    .default('forced')
    .describe(
      'forced: switch as soon as possible; soft: when an application on the board agrees; download-only: never',
    ),
  forceAfter: positiveDuration('without consent a device would not wait at all: that is mode: forced')
    .optional()
    .describe('of mode soft: how long a device waits for consent, from when it is told; then it goes on without'),
  shadow: shadowSchema
    .optional()
    .describe('before it serves, the release runs beside the one that does, on the same frames, and is compared'),
  probation: probationSchema.prefault({}),
});
export type StrategySpec = z.output<typeof strategySchema>;
