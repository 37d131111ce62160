import { deviceFactsSchema } from '@aviary/hardware';
import { EXECUTION_STATES } from '@aviary/rollout';
import { z } from 'zod';
import { releaseNameSchema, sha256Schema, timestampSchema } from './identifiers.ts';
import { operatorProfileSchema, profileRefusalSchema } from './operator-profile.ts';

/** Far above what one window can hold; bytes are counted with it, too. */
const count = z
  .int()
  .nonnegative()
  .max(2 ** 48);
const milliseconds = z.number().nonnegative();

/** What the device is: sent at every start, and when it changed. */
export const factsRecordSchema = z.object({
  type: z.literal('facts'),
  at: timestampSchema,
  facts: deviceFactsSchema,
});

/** Which release serves, as a fact of the running worker and not of an install step. `null`: none. */
export const runningRecordSchema = z.object({
  type: z.literal('running'),
  at: timestampSchema,
  release: releaseNameSchema.nullable(),
  digest: sha256Schema.nullable().describe('SHA-256 of the plain variant archive that the worker loaded'),
});

const share = z.number().min(0).max(1);

/** What came of running a release in shadow: beside the one that serves, on the same frames. */
export const shadowReportSchema = z
  .object({
    verdict: z
      .enum(['agrees', 'disagrees', 'cannot-tell', 'measured', 'not-possible'])
      .describe('measured: no agreement was asked for; not-possible: it did not run in shadow, `words` say why'),
    frames: count.describe('compared'),
    agreement: share.nullable().describe('of the two releases, mean over those frames; null: there were none'),
    lower: share.nullable().describe('of the interval that has the true agreement in 95 of 100 cases'),
    upper: share.nullable(),
    failed: count.describe('of the frames, those that only the serving release answered; they agree on nothing'),
    dropped: count.describe('frames that it was too slow to see; what serves has seen them'),
    seconds: z.number().nonnegative().describe('how long it took'),
    words: z.string().max(1000).describe('the same as a sentence'),
  })
  .meta({ id: 'ShadowReport' });
export type ShadowReport = z.infer<typeof shadowReportSchema>;

/** A step of one execution (one device's part in a rollout). */
export const executionRecordSchema = z.object({
  type: z.literal('execution'),
  at: timestampSchema,
  executionId: z.uuid(),
  state: z.enum(EXECUTION_STATES),
  reason: z
    .object({ code: z.string().max(64), message: z.string().max(1000) })
    .optional()
    .describe('why it ended as it did'),
  digest: sha256Schema.optional().describe('what is running now; without it a SUCCEEDED is not believed'),
  shadow: shadowReportSchema.optional().describe('what came of running it in shadow, where it was asked for'),
});

/**
 * Why a board slows itself down. The first four are the firmware's of a Raspberry Pi, in its words
 * (https://www.raspberrypi.com/documentation/computers/os.html#get_throttled); `thermal`: the kernel, for a temperature;
 * `over-current`: the power monitor of a Jetson; `accelerator-hot`: an Edge TPU lowers its own clock.
 */
export const THROTTLE_CAUSES = [
  'under-voltage',
  'frequency-capped',
  'throttled',
  'soft-temperature-limit',
  'thermal',
  'over-current',
  'accelerator-hot',
] as const;
export type ThrottleCause = (typeof THROTTLE_CAUSES)[number];

/** How the board is at the end of a window, as far as it tells. */
export const boardStateSchema = z
  .object({
    memoryFreeMB: count.optional().describe('what programs could still have'),
    swapUsedMB: count.optional(),
    diskFreeMB: count.optional().describe('of the disk with the state directory'),
    temperatureC: z.number().optional().describe('of the hottest zone'),
    acceleratorC: z.number().optional().describe('of an Edge TPU on PCI'),
    load1: z.number().nonnegative().optional(),
    cpuMHz: z.number().nonnegative().optional().describe('of the fastest core'),
    gpuPercent: z.number().min(0).max(100).optional().describe('of the GPU on the chip of a Jetson'),
    gpuMHz: z.number().nonnegative().optional(),
    powerW: z.number().nonnegative().optional().describe('what a Jetson takes'),
    throttled: z
      .array(z.enum(THROTTLE_CAUSES))
      .optional()
      .describe('why it slows itself down; empty: it does not; absent: it does not tell'),
  })
  .meta({ id: 'BoardState' });
export type BoardState = z.infer<typeof boardStateSchema>;

/** What the model did in one window of time. Counts are of that window; latency is per frame, pre- and post-processing included. */
export const metricsRecordSchema = z.object({
  type: z.literal('metrics'),
  at: timestampSchema.describe('start of the window'),
  windowSeconds: z.number().positive().max(86_400),
  release: releaseNameSchema,
  digest: sha256Schema,
  frames: count,
  dropped: count,
  errors: count,
  lowConfidence: count.describe('answers under the confidence that the release asks for'),
  labelled: count.describe('frames whose right answer was known'),
  correct: count.describe('of those, answered rightly'),
  latencyMs: z.object({ p50: milliseconds, p95: milliseconds, max: milliseconds, sum: milliseconds }),
  provider: z.object({ requested: z.array(z.string()), effective: z.string() }),
  process: z.object({ rssBytes: count, cpuPercent: z.number().nonnegative() }),
  board: boardStateSchema,
});

/** Something that a person may want to know. */
export const eventRecordSchema = z.object({
  type: z.literal('event'),
  at: timestampSchema,
  level: z.enum(['info', 'warning', 'error']),
  code: z.string().regex(/^[a-z0-9-]{1,64}$/),
  message: z.string().max(1000),
});

/** Says that the device's spool was full and what it let go, so that a hole is never silent. */
export const gapRecordSchema = z.object({
  type: z.literal('gap'),
  at: timestampSchema,
  until: timestampSchema,
  thinned: z.record(z.string(), count).describe('records let go, by type'),
});

/** How many labelled samples the device keeps for federated learning. Counts only: the samples never leave it. */
export const learningRecordSchema = z.object({
  type: z.literal('learning'),
  at: timestampSchema,
  release: releaseNameSchema.describe('the one whose backbone made the samples'),
  backbone: sha256Schema,
  base: sha256Schema.describe('of the head that the release serves with'),
  samples: count,
  perLabel: z.record(z.string().max(128), count),
});

/** What became of an operator profile that the device was asked for: one of the two is null. */
export const operatorProfileRecordSchema = z.object({
  type: z.literal('operator-profile'),
  at: timestampSchema,
  request: z.uuid(),
  profile: operatorProfileSchema.nullable(),
  refusal: profileRefusalSchema.nullable(),
});

export const telemetryRecordSchema = z.discriminatedUnion('type', [
  factsRecordSchema,
  runningRecordSchema,
  executionRecordSchema,
  metricsRecordSchema,
  eventRecordSchema,
  gapRecordSchema,
  learningRecordSchema,
  operatorProfileRecordSchema,
]);

/**
 * Payload of `up/telemetry`. One batch of a device is in flight at a time; `seq` counts 1, 2, 3, … within an `epoch`
 * (raised by enrolling again), and a batch is sent again unchanged until it is acknowledged.
 */
export const telemetryBatchSchema = z.object({
  epoch: z.int().positive(),
  seq: z.int().positive(),
  records: z.array(telemetryRecordSchema).min(1).max(256),
});

/**
 * Payload of `down/ack`: everything up to and with `seq` is stored, and only this lets a device forget it. A device
 * that hears a number below its next one has been ahead of the database and sends again from there.
 */
export const telemetryAckSchema = z.object({
  epoch: z.int().positive(),
  seq: z.int().nonnegative(),
});

/** Largest MQTT packet that the gateway takes from a device. */
export const MAX_PACKET_BYTES = 256 * 1024;

export type FactsRecord = z.infer<typeof factsRecordSchema>;
export type RunningRecord = z.infer<typeof runningRecordSchema>;
export type ExecutionRecord = z.infer<typeof executionRecordSchema>;
export type MetricsRecord = z.infer<typeof metricsRecordSchema>;
export type EventRecord = z.infer<typeof eventRecordSchema>;
export type LearningRecord = z.infer<typeof learningRecordSchema>;
export type OperatorProfileRecord = z.infer<typeof operatorProfileRecordSchema>;
export type GapRecord = z.infer<typeof gapRecordSchema>;
export type TelemetryRecord = z.infer<typeof telemetryRecordSchema>;
export type TelemetryBatch = z.infer<typeof telemetryBatchSchema>;
export type TelemetryAck = z.infer<typeof telemetryAckSchema>;
