import { z } from 'zod';
import { ACCEPTANCE_LIMITS } from './acceptance.ts';
import type { InferenceResult } from './frame.ts';

/** What the supervisor asks of a worker; a picture's bytes travel as the message's body. */
export type WorkerRequest =
  | {
      readonly kind: 'infer';
      readonly id: number;
      readonly picture:
        | { readonly kind: 'encoded' }
        | { readonly kind: 'raw'; readonly width: number; readonly height: number; readonly channels: 1 | 3 };
    }
  | { readonly kind: 'acceptance'; readonly id: number }
  /** The suite's pictures, over and over. */
  | { readonly kind: 'stress'; readonly id: number; readonly seconds: number }
  /** Of a worker whose sessions profile: what each operator costs. */
  | { readonly kind: 'profile'; readonly id: number; readonly frames: number }
  /** The features of a frame that was answered under this id; asked for only when somebody has labelled it. */
  | { readonly kind: 'features'; readonly id: number; readonly frame: number }
  | { readonly kind: 'ping'; readonly id: number };

const milliseconds = z.number().nonnegative();

const partAnswerSchema = z.object({
  label: z.string(),
  confidence: z.number(),
  lowConfidence: z.boolean(),
  vector: z.array(z.number()).exactOptional(),
});

const objectSchema = z.object({
  label: z.string(),
  index: z.int().nonnegative(),
  confidence: z.number(),
  box: z.object({ left: z.number(), top: z.number(), width: z.number(), height: z.number() }),
  answers: z.record(z.string(), partAnswerSchema).exactOptional(),
});

const resultSchema = z.object({
  label: z.string(),
  index: z.int().nonnegative().exactOptional(),
  confidence: z.number(),
  lowConfidence: z.boolean(),
  objects: z.array(objectSchema).exactOptional(),
  shares: z.record(z.string(), z.number()).exactOptional(),
  vector: z.array(z.number()).exactOptional(),
  outputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().nonnegative()),
        // JSON has neither infinity nor NaN.
        values: z.array(
          z
            .number()
            .nullable()
            .transform((value) => value ?? Number.NaN),
        ),
      }),
    )
    .exactOptional(),
  ms: z.object({ preprocess: milliseconds, run: milliseconds, postprocess: milliseconds, total: milliseconds }),
});

const acceptanceReportSchema = z.object({
  passed: z.boolean(),
  failures: z.array(
    z.object({
      limit: z.enum(ACCEPTANCE_LIMITS),
      expected: z.number(),
      measured: z.number().nullable(),
      words: z.string(),
    }),
  ),
  figures: z.object({
    samples: z.int().nonnegative(),
    accuracy: z.number().exactOptional(),
    p95Ms: milliseconds.exactOptional(),
    lowConfidenceRate: z.number().exactOptional(),
    golden: z.int().nonnegative(),
    maxGoldenDifference: z.number().exactOptional(),
  }),
});

/** What a worker says. The model in it is foreign, so its process is believed no more than any other edge. */
export const workerReplySchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('ready'),
    release: z.string(),
    provider: z.object({
      requested: z.array(z.string()),
      effective: z.string(),
      rejected: z.array(z.object({ provider: z.string(), reason: z.string() })),
    }),
  }),
  z.object({ kind: z.literal('failed'), words: z.string(), isSidecarLost: z.boolean().exactOptional() }),
  z.object({ kind: z.literal('alive') }),
  z.object({ kind: z.literal('pong'), id: z.int() }),
  z.object({ kind: z.literal('result'), id: z.int(), result: resultSchema }),
  z.object({ kind: z.literal('acceptance'), id: z.int(), report: acceptanceReportSchema }),
  z.object({
    kind: z.literal('stress'),
    id: z.int(),
    figures: z.object({
      frames: z.int().nonnegative(),
      failed: z.int().nonnegative(),
      firstFailure: z.string().exactOptional(),
      p95Ms: milliseconds,
    }),
  }),
  /** Checked by whoever has asked. */
  z.object({ kind: z.literal('profile'), id: z.int(), report: z.unknown() }),
  /** With float32, little endian, as its body, where they are still remembered. */
  z.object({ kind: z.literal('features'), id: z.int(), remembered: z.boolean() }),
  z.object({
    kind: z.literal('error'),
    id: z.int(),
    code: z.enum(['frame-undecodable', 'frame-failed', 'acceptance-failed-to-run', 'profile-failed-to-run']),
    words: z.string(),
  }),
]);
export type WorkerReply = z.infer<typeof workerReplySchema>;
/** A reply as the worker says it. */
export type SpokenReply =
  | Exclude<WorkerReply, { kind: 'result' }>
  | { readonly kind: 'result'; readonly id: number; readonly result: InferenceResult };

/** The worker's only argument, as JSON. */
export const workerConfigSchema = z.object({
  archiveDirectory: z.string(),
  providers: z.array(z.string()),
  intraOpThreads: z.int().positive(),
  /** Its sessions profile, and write that there. */
  profileFolder: z.string().exactOptional(),
  /** Descriptor 3 is a socket to the sidecar that runs the models. */
  hasSidecar: z.boolean().exactOptional(),
  /** Paths of what was built on this device, by the files of the archive in whose place they are loaded. */
  prepared: z.record(z.string(), z.string()).exactOptional(),
});
export type WorkerConfig = z.infer<typeof workerConfigSchema>;
