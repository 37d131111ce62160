import { z } from 'zod';
import { releaseNameSchema } from '../release-name.ts';

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

export const taskSchema = z.enum(['classification', 'detection', 'segmentation', 'embedding', 'raw']);
export type Task = z.infer<typeof taskSchema>;

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
  minMemoryMB: z.number().int().positive().optional(),
  /** One of these, as Node names them. */
  arch: z
    .array(z.enum(['x64', 'arm64', 'arm']))
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

/**
 * From a picture to the model's input: resize to `width` × `height`, bring to `color`, then per value
 * `(pixel · scale − mean[c]) ÷ std[c]` with pixel 0 to 255 and one mean and std per channel.
 */
export const preprocessingSchema = z.strictObject({
  /** Pixels. */
  width: z.number().int().min(1).max(8192),
  height: z.number().int().min(1).max(8192),
  /** `gray`: one channel; `rgb`, `bgr`: three, in this order. */
  color: z.enum(['gray', 'rgb', 'bgr']),
  /** `stretch` ignores the aspect, `letterbox` keeps it and fills, `crop` keeps it and cuts around the centre. */
  resize: z.enum(['stretch', 'letterbox', 'crop']),
  /** 0 to 255, what `letterbox` fills with. */
  fill: z.number().int().min(0).max(255),
  /** Shape of the input tensor: `[1,C,H,W]`, `[1,H,W,C]`, or `flat`: `[1, H·W·C]` in the order of nhwc. */
  layout: z.enum(['nchw', 'nhwc', 'flat']),
  scale: z.number().positive(),
  mean: z.array(z.number()),
  std: z.array(z.number().positive()),
});
export type Preprocessing = z.infer<typeof preprocessingSchema>;

/** From the model's first output (one value per label) to an answer. */
export const postprocessingSchema = z.strictObject({
  activation: z.enum(['softmax', 'none']),
  /** An answer whose confidence is under this counts as low confidence. */
  confidenceBelow: z.number().min(0).max(1),
});
export type Postprocessing = z.infer<typeof postprocessingSchema>;

/** Limits that a device holds a release to before serving it; an absent limit is not checked. */
export const acceptanceLimitsSchema = z.strictObject({
  /** Largest absolute difference of any golden output element. */
  goldenTolerance: z.number().positive().optional(),
  /** Share of samples answered rightly, at least, 0 to 1. */
  minAccuracy: z.number().min(0).max(1).optional(),
  /** 95th percentile of a whole frame's milliseconds on the device, at most. */
  maxP95Ms: z.number().positive().optional(),
  /** Share of answers under `confidenceBelow`, at most, 0 to 1. */
  maxLowConfidenceRate: z.number().min(0).max(1).optional(),
});
export type AcceptanceLimits = z.infer<typeof acceptanceLimitsSchema>;

/** Number of values per pixel. */
export function channelCount(color: Preprocessing['color']): 1 | 3 {
  return color === 'gray' ? 1 : 3;
}

/**
 * How a classifier's head can be trained on the device: the last fully connected layer of the model, which serves with a
 * second output that gives the layer's input. Everything before it is the backbone, and stays as it is.
 */
export const manifestTrainingSchema = z.strictObject({
  /** Name of the model output `[N, features]` that gives the head's input. */
  featuresOutput: z.string().min(1),
  features: z.number().int().positive(),
  /** One per label. */
  classes: z.number().int().min(2),
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
export type ManifestTraining = z.infer<typeof manifestTrainingSchema>;

/** Names of the files that every archive has beside the model and its acceptance samples. */
export const MANIFEST_FILE = 'manifest.json';
export const LABELS_FILE = 'labels.txt';
export const SIGNATURE_FILE = 'model.sig';
export const ACCEPTANCE_FOLDER = 'acceptance';
export const TRAINING_STEP_FILE = 'training/step.onnx';
export const BOM_FILE = 'bom.cdx.json';

/** `manifest.json` of an archive: all that a device needs to run this variant, with nothing outside the archive. */
export const releaseManifestSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    release: releaseNameSchema,
    releaseCounter: z.number().int().positive(),
    rollbackFloor: z.number().int().nonnegative(),
    description: z.string().optional(),
    task: taskSchema,
    labels: z.array(z.string().min(1)).min(2),
    preprocessing: preprocessingSchema,
    postprocessing: postprocessingSchema,
    variant: z.strictObject({
      id: variantIdSchema,
      runtime: runtimeSchema,
      format: formatSchema,
      precision: precisionSchema,
      /** Path in the archive. */
      file: archivePathSchema,
      /** ONNX Runtime execution providers, preferred first; the device's profile decides when absent. */
      providers: z.array(z.string().min(1)).min(1).optional(),
    }),
    training: manifestTrainingSchema.optional(),
    acceptance: z.strictObject({
      limits: acceptanceLimitsSchema,
      /** Labelled pictures; `file` is a path in the archive, `label` one of `labels`. */
      samples: z.array(z.strictObject({ file: archivePathSchema, label: z.string() })).min(1),
      /** The model's raw first output, before activation, for some of the samples. Empty when it could not be run. */
      golden: z.array(z.strictObject({ file: archivePathSchema, output: z.array(z.number()).min(1) })),
    }),
  })
  .superRefine((manifest, context) => {
    const channels = channelCount(manifest.preprocessing.color);
    for (const key of ['mean', 'std'] as const) {
      if (manifest.preprocessing[key].length !== channels) {
        context.addIssue({
          code: 'custom',
          path: ['preprocessing', key],
          message: `expected ${channels} values, one per channel`,
        });
      }
    }
    const labels = new Set(manifest.labels);
    if (labels.size !== manifest.labels.length) {
      context.addIssue({ code: 'custom', path: ['labels'], message: 'expected each label once' });
    }
    const samples = new Set(manifest.acceptance.samples.map((sample) => sample.file));
    manifest.acceptance.samples.forEach((sample, index) => {
      if (!labels.has(sample.label)) {
        context.addIssue({
          code: 'custom',
          path: ['acceptance', 'samples', index, 'label'],
          message: 'expected one of the labels',
        });
      }
    });
    manifest.acceptance.golden.forEach((golden, index) => {
      if (!samples.has(golden.file)) {
        context.addIssue({
          code: 'custom',
          path: ['acceptance', 'golden', index, 'file'],
          message: 'expected the file of a sample',
        });
      }
    });
  });
export type ReleaseManifest = z.infer<typeof releaseManifestSchema>;

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
  return Buffer.from(`${JSON.stringify(releaseManifestSchema.parse(manifest), null, 2)}\n`, 'utf8');
}

/** Reads `manifest.json`. @throws ManifestError */
export function parseManifest(bytes: Uint8Array): ReleaseManifest {
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new ManifestError('manifest.json is not JSON', { cause });
  }
  const parsed = releaseManifestSchema.safeParse(content);
  if (!parsed.success) throw new ManifestError(`manifest.json is invalid: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
