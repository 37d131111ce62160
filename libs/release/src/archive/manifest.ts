import { z } from 'zod';
import { releaseNameSchema } from '../release-name.ts';
import { checkManifest } from './manifest-check.ts';
import {
  type Postprocessing,
  type Preprocessing,
  postprocessingSchema,
  preprocessingSchema,
  type Task,
  taskSchema,
} from './processing.ts';

/** Path inside an archive: relative, `/` between parts, no `.`, `..` or empty part, no control characters. */
export const archivePathSchema = z
  .string()
  .min(1)
  .max(240)
  .refine(isArchivePath, 'expected a relative path without "..", e.g. model.onnx');

/** Whether `path` may name a file in an archive; see {@link archivePathSchema}. */
export function isArchivePath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\\\u0000-\u001f\u007f]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

export const runtimeSchema = z.enum(['onnxruntime', 'tensorrt', 'tflite', 'hailort']);
export const formatSchema = z.enum(['onnx', 'engine', 'tflite', 'hef']);
export const precisionSchema = z.enum(['fp32', 'fp16', 'int8']);
export type Runtime = z.infer<typeof runtimeSchema>;
export type Format = z.infer<typeof formatSchema>;
export type Precision = z.infer<typeof precisionSchema>;

/** A variant's id, also a file name: 1 to 63 of a-z, 0-9, `.`, `_` and `-`. */
export const variantIdSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/, 'expected 1 to 63 of a-z, 0-9, ".", "_" and "-", e.g. onnx-fp32');

/** What a board must have for a variant. Everything that is present must hold. */
export const requirementsSchema = z.strictObject({
  /** MiB of memory the board has in all, at least. */
  minMemoryMB: z.int().positive().optional(),
  /** One of these, as Node names them. */
  arch: z
    .array(z.enum(['x64', 'arm64', 'arm']))
    .min(1)
    .optional(),
  /** One of these chips, as the device tree names them (`bcm2712`, `tegra234`), or as Hailo does (`hailo8l`). */
  soc: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'expected a chip, e.g. tegra234'))
    .min(1)
    .optional(),
  /** CUDA compute capability, exactly, e.g. `8.7`: an engine runs on no other. */
  computeCapability: z
    .string()
    .regex(/^\d+\.\d+$/, 'expected major.minor, e.g. 8.7')
    .optional(),
  /** TensorRT version, exactly, as far as it is written: `10.3` fits 10.3.0. */
  tensorrt: z
    .string()
    .regex(/^\d+(\.\d+){0,3}$/, 'expected a version, e.g. 10.3')
    .optional(),
  /** Jetson Linux release, exactly, as far as it is written: `36.4` fits 36.4.3. */
  l4t: z
    .string()
    .regex(/^\d+(\.\d+){0,2}$/, 'expected a version, e.g. 36.4')
    .optional(),
  /** HailoRT driver and library version, exactly, as far as it is written. */
  hailort: z
    .string()
    .regex(/^\d+(\.\d+){0,2}$/, 'expected a version, e.g. 4.20')
    .optional(),
  /** glibc, at least. */
  glibc: z
    .string()
    .regex(/^\d+\.\d+$/, 'expected a version, e.g. 2.31')
    .optional(),
});
export type Requirements = z.infer<typeof requirementsSchema>;

/** An update must not take hours, and a board that is warm after ten minutes gets no warmer. */
const MOST_STRESS_SECONDS = 600;

/** Limits that a device holds a release to before serving it; an absent limit is not checked. */
export const acceptanceLimitsSchema = () =>
  z.strictObject({
    /** Largest absolute difference of any golden output element. */
    goldenTolerance: z.number().positive().optional(),
    /** Share of samples answered rightly, at least, 0 to 1. */
    minAccuracy: z.number().min(0).max(1).optional(),
    /** 95th percentile of a whole frame's milliseconds on the device, at most. */
    maxP95Ms: z.number().positive().optional(),
    /** Share of answers under `confidenceBelow`, at most, 0 to 1. */
    maxLowConfidenceRate: z.number().min(0).max(1).optional(),
    /** Most that its process has had in memory, in MiB, from its start to the end of the suite. */
    maxMemoryMB: z.int().positive().optional(),
    /** For so long the suite's pictures are answered over and over at full speed, and it is judged by that, too. */
    stressSeconds: z.int().min(1).max(MOST_STRESS_SECONDS).optional(),
  });
export type AcceptanceLimits = z.infer<ReturnType<typeof acceptanceLimitsSchema>>;

/**
 * How a classifier's head can be trained on the device: the last fully connected layer of the model, which serves with a
 * second output that gives the layer's input. Everything before it is the backbone, and stays as it is.
 */
const manifestTrainingSchema = () =>
  z.strictObject({
    /** Name of the model output `[N, features]` that gives the head's input. */
    featuresOutput: z.string().min(1),
    features: z.int().positive(),
    /** One per label. */
    classes: z.int().min(2),
    /** Initialisers of the head in the model file. */
    weights: z.string().min(1),
    bias: z.string().min(1),
    /** The weights lie as `[classes, features]`. */
    transposed: z.boolean(),
    /** SHA-256 over the backbone: the model file without the values of the head. */
    backbone: z.string().regex(/^[0-9a-f]{64}$/),
    /** SHA-256 over the head: float32, little endian, weights `[features × classes]` row by row, then biases. */
    base: z.string().regex(/^[0-9a-f]{64}$/),
    /** Path in the archive of the ONNX graph that does one training step. */
    step: archivePathSchema,
  });
export type ManifestTraining = z.infer<ReturnType<typeof manifestTrainingSchema>>;

/** Names of the files that every archive has beside the model and its acceptance samples. */
export const MANIFEST_FILE = 'manifest.json';
export const LABELS_FILE = 'labels.txt';
export const SIGNATURE_FILE = 'model.sig';
export const ACCEPTANCE_FOLDER = 'acceptance';
export const TRAINING_STEP_FILE = 'training/step.onnx';
export const BOM_FILE = 'bom.cdx.json';
/** Folder of the models of a release that has several. */
export const MODELS_FOLDER = 'models';

/** A model's name within its release: 1 to 31 of a-z, 0-9 and inner hyphens. */
export const modelIdSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?$/, 'expected 1 to 31 of a-z, 0-9 and inner "-", e.g. reader');

const labelsSchema = z.array(z.string().min(1));

/** One model of a release that has several. */
const manifestModelSchema = () =>
  z.strictObject({
    id: modelIdSchema,
    task: taskSchema,
    labels: labelsSchema,
    preprocessing: preprocessingSchema(),
    postprocessing: postprocessingSchema(),
    /** Path in the archive. */
    file: archivePathSchema,
  });

/** One stage of a cascade. The first sees the frame, each other the objects that the first has found. */
export const stageSchema = () =>
  z.strictObject({
    model: modelIdSchema,
    /** Degrees, clockwise, by which an object is turned for the stages after this one, by the label that it was given here. */
    turns: z.record(z.string(), z.union([z.literal(90), z.literal(180), z.literal(270)])).optional(),
    /** How much of an object's surroundings is seen, as a share of its sides. */
    margin: z.number().min(0).max(1).optional(),
    /** Only objects of these labels of the first stage; the others stay as they are. */
    only: z.array(z.string().min(1)).min(1).optional(),
  });
export type Stage = z.infer<ReturnType<typeof stageSchema>>;

/** `mean` of the models' probabilities, or the label that most of them say. */
export const ensembleSchema = z.enum(['mean', 'vote']);

/**
 * `manifest.json` of an archive: all that a device needs to run this variant, with nothing outside the archive. It has
 * one model, or several in `models` that answer together; see {@link modelsOf}.
 */
const releaseManifestSchema = () =>
  z
    .strictObject({
      formatVersion: z.literal(1),
      release: releaseNameSchema,
      releaseCounter: z.int().positive(),
      rollbackFloor: z.int().nonnegative(),
      description: z.string().optional(),
      /** What the release as a whole answers. */
      task: taskSchema,
      labels: labelsSchema,
      /** Of the one model. */
      preprocessing: preprocessingSchema().optional(),
      postprocessing: postprocessingSchema().optional(),
      models: z.array(manifestModelSchema()).min(2).max(8).optional(),
      ensemble: ensembleSchema.optional(),
      cascade: z.array(stageSchema()).min(2).optional(),
      variant: z.strictObject({
        id: variantIdSchema,
        runtime: runtimeSchema,
        format: formatSchema,
        precision: precisionSchema,
        /** Path in the archive; with several models that of the first. */
        file: archivePathSchema,
        /** ONNX Runtime execution providers, preferred first; without them all that the device's ONNX Runtime has. */
        providers: z.array(z.string().min(1)).min(1).optional(),
      }),
      training: manifestTrainingSchema().optional(),
      acceptance: z.strictObject({
        limits: acceptanceLimitsSchema(),
        /** Pictures and what the release is to answer to them; `file` is a path in the archive. */
        samples: z.array(z.strictObject({ file: archivePathSchema, label: z.string() })).min(1),
        /**
         * A model's raw first output, before activation, to some of the whole pictures: of every `every`-th value, where
         * there are many. Empty when it could not be run.
         */
        golden: z.array(
          z.strictObject({
            file: archivePathSchema,
            /** Absent: the only one. */
            model: modelIdSchema.optional(),
            every: z.int().min(2).optional(),
            output: z.array(z.number()).min(1),
          }),
        ),
      }),
    })
    .superRefine((manifest, context) => {
      for (const { path, message } of checkManifest(manifest)) {
        context.addIssue({ code: 'custom', path: [...path], message });
      }
    });
export type ReleaseManifest = z.infer<ReturnType<typeof releaseManifestSchema>>;

/** One model of a release, with all that it needs. */
export interface ManifestModel {
  readonly id: string;
  readonly task: Task;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly postprocessing: Postprocessing;
  /** Path in the archive. */
  readonly file: string;
}

/** What the only model of a release is called where models have ids. */
export const ONLY_MODEL = 'model';

/** The models of a release, one or several. @throws ManifestError for a manifest that says of none what it takes */
export function modelsOf(manifest: ReleaseManifest): readonly [ManifestModel, ...ManifestModel[]] {
  const { task, labels, preprocessing, postprocessing, variant, models } = manifest;
  const [first, ...others] = models ?? [];
  if (first !== undefined) return [first, ...others];
  if (preprocessing === undefined || postprocessing === undefined) {
    throw new ManifestError('expected preprocessing and postprocessing, or models');
  }
  return [{ id: ONLY_MODEL, task, labels, preprocessing, postprocessing, file: variant.file }];
}

/** `manifest.json` does not say what a device can run. */
export class ManifestError extends Error {
  readonly code = 'manifest-invalid';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ManifestError';
  }
}

/** The bytes of `manifest.json`, the same for the same manifest. */
export function encodeManifest(manifest: ReleaseManifest): Buffer {
  return Buffer.from(`${JSON.stringify(releaseManifestSchema().parse(manifest), null, 2)}\n`, 'utf8');
}

/** Reads `manifest.json`. @throws ManifestError */
export function parseManifest(bytes: Uint8Array): ReleaseManifest {
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new ManifestError('manifest.json is not JSON', { cause });
  }
  const parsed = releaseManifestSchema().safeParse(content);
  if (!parsed.success) throw new ManifestError(`manifest.json is invalid: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
