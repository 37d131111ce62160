import { z } from 'zod';
import {
  type AcceptanceLimits,
  acceptanceLimitsSchema,
  channelCount,
  type Format,
  formatSchema,
  isArchivePath,
  type Postprocessing,
  type Precision,
  type Preprocessing,
  postprocessingSchema,
  precisionSchema,
  preprocessingSchema,
  type Requirements,
  type Runtime,
  requirementsSchema,
  runtimeSchema,
  type Task,
  taskSchema,
  variantIdSchema,
} from '../archive/manifest.ts';
import { modelNameSchema, versionSchema } from '../release-name.ts';
import { findContradictions } from './definition-contradictions.ts';
import { type DefinitionProblem, ModelDefinitionError } from './definition-problem.ts';
import { type ModelOrigin, modelOriginShape, originOf } from './model-origin.ts';
import { YamlSource } from './yaml-source.ts';

/** `model.yaml` with every default filled in. Paths are relative to its folder. */
export interface ModelDefinition extends ModelOrigin {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly task: Task;
  /** In the order of the model's output, or the path of a text file with one label per line. */
  readonly labels: readonly string[] | string;
  readonly input: Preprocessing;
  readonly output: Postprocessing;
  readonly variants: readonly VariantDefinition[];
  readonly acceptance: AcceptanceDefinition;
  /** Absent: federated rounds cannot improve it. */
  readonly training?: TrainingDefinition;
  /** Path of the file that says from which federated round it comes. */
  readonly lineage?: string;
  /** Absent: the floor stays where it is. */
  readonly rollbackFloor?: number;
  /** Absent: the registry's last counter of this model + 1. */
  readonly releaseCounter?: number;
}

export interface VariantDefinition {
  readonly id: string;
  readonly runtime: Runtime;
  readonly format: Format;
  readonly precision: Precision;
  /** Path of the model file. */
  readonly file: string;
  readonly providers?: readonly string[];
  readonly requires?: Requirements;
}

export interface AcceptanceDefinition {
  /** Path of a folder of pictures with a `labels.csv` (columns `file,label`). */
  readonly samples: string;
  /** Of how many samples the model's raw output is kept as golden, when there is a `goldenTolerance`. */
  readonly goldenSamples: number;
  readonly limits: AcceptanceLimits;
}

export interface TrainingDefinition {
  /** Name of the model's node that is the head; absent: the last fully connected layer is looked for. */
  readonly head?: string;
}

/** What each runtime can load. TensorRT also takes ONNX: the engine is then built on the device. */
const FORMATS: Record<Runtime, readonly [Format, ...Format[]]> = {
  onnxruntime: ['onnx'],
  tensorrt: ['engine', 'onnx'],
  tflite: ['tflite'],
  hailort: ['hef'],
};

const sourcePathSchema = z
  .string()
  .overwrite((path) => path.replace(/^\.\/+/, '').replace(/\/+$/, ''))
  .refine((path) => path.length <= 240 && isArchivePath(path), 'expected a path inside the folder of model.yaml');

// "1/255" is how people write it, and YAML reads it as text.
const scaleSchema = z.union(
  [
    z.number().positive(),
    z
      .string()
      .regex(/^\s*\d+(\.\d+)?\s*\/\s*\d*[1-9]\d*\s*$/)
      .transform((text) => {
        const [numerator = 0, denominator = 1] = text.split('/').map(Number);
        return numerator / denominator;
      })
      .pipe(z.number().positive()),
  ],
  'expected a number above 0, e.g. 1/255',
);

const labelSchema = z
  .string()
  .min(1)
  .max(128)
  .refine((label) => !/[\r\n]/.test(label) && label.trim() === label, 'expected one line without spaces around it');

const variantInputSchema = z.strictObject({
  id: variantIdSchema.optional(),
  runtime: runtimeSchema.default('onnxruntime'),
  format: formatSchema.optional(),
  precision: precisionSchema.default('fp32'),
  file: sourcePathSchema,
  providers: z.array(z.string().min(1)).min(1).optional(),
  requires: requirementsSchema.optional(),
});

const channelValues = <T extends z.ZodType>(value: T) =>
  z
    .array(value)
    .refine((values) => values.length === 1 || values.length === 3, 'expected one value per channel: 1 or 3');

const definitionInputSchema = z.strictObject({
  name: modelNameSchema,
  version: versionSchema,
  description: z.string().max(1000).optional(),
  // The manifest's format knows more tasks, so that an agent of today refuses them with a reason; none is made yet.
  task: taskSchema.extract(['classification']),
  labels: z.union(
    [z.array(labelSchema).min(2), sourcePathSchema],
    'expected a list of at least 2 labels (texts; write numbers in quotes), or the path of a text file with one per line',
  ),
  input: z.strictObject({
    width: preprocessingSchema.shape.width,
    height: preprocessingSchema.shape.height,
    color: preprocessingSchema.shape.color.default('rgb'),
    resize: preprocessingSchema.shape.resize.default('stretch'),
    fill: preprocessingSchema.shape.fill.default(0),
    layout: preprocessingSchema.shape.layout.default('nchw'),
    scale: scaleSchema.default(1 / 255),
    mean: channelValues(z.number()).optional(),
    std: channelValues(z.number().positive()).optional(),
  }),
  output: z
    .strictObject({
      activation: postprocessingSchema.shape.activation.default('softmax'),
      confidenceBelow: postprocessingSchema.shape.confidenceBelow.default(0.5),
    })
    .prefault({}),
  variants: z.array(variantInputSchema).min(1).max(64),
  acceptance: acceptanceLimitsSchema.extend({
    samples: sourcePathSchema,
    goldenSamples: z.number().int().min(1).max(1000).default(8),
  }),
  training: z
    .union(
      [z.literal('auto'), z.strictObject({ head: z.string().min(1).max(1000) })],
      'expected auto, or head: with the name of a node in the model',
    )
    .optional(),
  lineage: sourcePathSchema.optional(),
  ...modelOriginShape,
  rollbackFloor: z.number().int().nonnegative().optional(),
  releaseCounter: z.number().int().positive().optional(),
});

type DefinitionInput = z.infer<typeof definitionInputSchema>;

/**
 * Reads `model.yaml`. What may be left out: `description`, `output` (softmax, 0.5), of `input` all but width and height
 * (rgb, stretch, nchw, scale 1/255, mean 0, std 1), of a variant all but `file` (onnxruntime, the runtime's format, fp32,
 * id `format-precision`), the limits of `acceptance`, `training`, `lineage`, where it comes
 * from, `rollbackFloor` and `releaseCounter`.
 * @throws ModelDefinitionError with every problem at once, each with its line and column.
 */
export function parseModelDefinition(yamlText: string): ModelDefinition {
  const source = new YamlSource(
    yamlText,
    z.toJSONSchema(definitionInputSchema, { io: 'input', unrepresentable: 'any' }),
  );
  const content = source.read();
  const parsed = definitionInputSchema.safeParse(content);
  const problems: DefinitionProblem[] = parsed.success ? [] : source.explain(parsed.error);
  const raw = parsed.success ? parsed.data : content;
  problems.push(...findContradictions(raw, FORMATS).map(({ path, ...words }) => source.problemAt(path, words)));
  if (!parsed.success || problems.length > 0) throw new ModelDefinitionError(problems);
  return resolve(parsed.data);
}

function resolve(input: DefinitionInput): ModelDefinition {
  const { samples, goldenSamples, ...limits } = input.acceptance;
  const { mean, std, ...preprocessing } = input.input;
  const channels = channelCount(preprocessing.color);
  return {
    name: input.name,
    version: input.version,
    ...(input.description === undefined ? {} : { description: input.description }),
    task: input.task,
    labels: input.labels,
    input: {
      ...preprocessing,
      mean: mean ?? new Array<number>(channels).fill(0),
      std: std ?? new Array<number>(channels).fill(1),
    },
    output: input.output,
    variants: input.variants.map(({ providers, requires, ...variant }) => {
      const format = variant.format ?? FORMATS[variant.runtime][0];
      return {
        ...variant,
        id: variant.id ?? `${format}-${variant.precision}`,
        format,
        ...(providers === undefined ? {} : { providers }),
        ...(requires === undefined ? {} : { requires }),
      };
    }),
    acceptance: { samples, goldenSamples, limits },
    ...(input.training === undefined ? {} : { training: input.training === 'auto' ? {} : input.training }),
    ...(input.lineage === undefined ? {} : { lineage: input.lineage }),
    ...originOf(input),
    ...(input.rollbackFloor === undefined ? {} : { rollbackFloor: input.rollbackFloor }),
    ...(input.releaseCounter === undefined ? {} : { releaseCounter: input.releaseCounter }),
  };
}
