import { z } from 'zod';
import {
  type AcceptanceLimits,
  acceptanceLimitsSchema,
  ensembleSchema,
  type Format,
  formatSchema,
  isArchivePath,
  modelIdSchema,
  ONLY_MODEL,
  type Precision,
  precisionSchema,
  type Requirements,
  type Runtime,
  requirementsSchema,
  runtimeSchema,
  type Stage,
  stageSchema,
  variantIdSchema,
} from '../archive/manifest.ts';
import {
  channelCount,
  filledPostprocessing,
  hasDynamicSize,
  type Postprocessing,
  type Preprocessing,
  postprocessingSchema,
  preprocessingSchema,
  type Task,
  taskSchema,
} from '../archive/processing.ts';
import { modelNameSchema, versionSchema } from '../release-name.ts';
import { findContradictions } from './definition-contradictions.ts';
import { type DefinitionProblem, ModelDefinitionError } from './definition-problem.ts';
import { type ModelOrigin, modelOriginShape, originOf } from './model-origin.ts';
import { YamlSource } from './yaml-source.ts';

/** What a model is, apart from its files. */
export interface ModelPart {
  readonly task: Task;
  /** In the order of the model's output, or the path of a text file with one label per line; none for some tasks. */
  readonly labels: readonly string[] | string;
  readonly input: Preprocessing;
  readonly output: Postprocessing;
}

/** One model of several. */
export interface NamedModelPart extends ModelPart {
  readonly id: string;
}

interface DefinitionOfAll extends ModelOrigin {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
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

/** `model.yaml` of one model. */
export interface SingleDefinition extends DefinitionOfAll, ModelPart {
  readonly models?: undefined;
}

/** `model.yaml` of several models that answer together: exactly one of `ensemble` and `cascade` says how. */
export interface ComposedDefinition extends DefinitionOfAll {
  /** What the release as a whole answers. */
  readonly task: Task;
  readonly models: readonly NamedModelPart[];
  readonly ensemble?: z.infer<typeof ensembleSchema>;
  readonly cascade?: readonly Stage[];
}

/** `model.yaml` with every default filled in. Paths are relative to its folder. */
export type ModelDefinition = SingleDefinition | ComposedDefinition;

export interface VariantDefinition {
  readonly id: string;
  readonly runtime: Runtime;
  readonly format: Format;
  readonly precision: Precision;
  /** Path of the model file; of several that of the first model. */
  readonly file: string;
  /** Of several models, the path of each one's file by its id. */
  readonly files?: Readonly<Record<string, string>>;
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
  .refine((label) => !/[\r\n]/.test(label), 'expected one line');

const variantInputSchema = z.strictObject({
  id: variantIdSchema.optional(),
  runtime: runtimeSchema.default('onnxruntime'),
  format: formatSchema.optional(),
  precision: precisionSchema.default('fp32'),
  file: sourcePathSchema.optional(),
  files: z.record(modelIdSchema, sourcePathSchema).optional(),
  providers: z.array(z.string().min(1)).min(1).optional(),
  requires: requirementsSchema.optional(),
});

const channelValues = <T extends z.ZodType>(value: T) =>
  z
    .array(value)
    .refine((values) => values.length === 1 || values.length === 3, 'expected one value per channel: 1 or 3');

const labelsInputSchema = z.union(
  [z.array(labelSchema).min(1), sourcePathSchema],
  'expected a list of labels (texts; write numbers in quotes), or the path of a text file with one per line',
);

const picture = preprocessingSchema().shape;
const pictureInputSchema = z.strictObject({
  ...picture,
  color: picture.color.default('rgb'),
  resize: picture.resize.default('stretch'),
  fill: picture.fill.default(0),
  layout: picture.layout.default('nchw'),
  scale: scaleSchema.default(1 / 255),
  mean: channelValues(z.number()).optional(),
  std: channelValues(z.number().positive()).optional(),
});

const outputInputSchema = postprocessingSchema().partial().prefault({});

const definitionInputSchema = z.strictObject({
  name: modelNameSchema,
  version: versionSchema,
  description: z.string().max(1000).optional(),
  task: taskSchema,
  labels: labelsInputSchema.optional(),
  input: pictureInputSchema.optional(),
  output: outputInputSchema,
  models: z
    .array(
      z.strictObject({
        id: modelIdSchema,
        task: taskSchema,
        labels: labelsInputSchema.optional(),
        input: pictureInputSchema,
        output: outputInputSchema,
      }),
    )
    .min(2)
    .max(8)
    .optional(),
  ensemble: ensembleSchema.optional(),
  cascade: z.array(stageSchema()).min(2).optional(),
  variants: z.array(variantInputSchema).min(1).max(64),
  acceptance: acceptanceLimitsSchema().extend({
    samples: sourcePathSchema,
    goldenSamples: z.int().min(1).max(1000).default(8),
  }),
  training: z
    .union(
      [z.literal('auto'), z.strictObject({ head: z.string().min(1).max(1000) })],
      'expected auto, or head: with the name of a node in the model',
    )
    .optional(),
  lineage: sourcePathSchema.optional(),
  ...modelOriginShape,
  rollbackFloor: z.int().nonnegative().optional(),
  releaseCounter: z.int().positive().optional(),
});

type DefinitionInput = z.infer<typeof definitionInputSchema>;

/** The models of a definition, one or several, in its order. */
export function partsOf(definition: ModelDefinition): readonly NamedModelPart[] {
  return definition.models ?? [{ ...definition, id: ONLY_MODEL }];
}

/** The id of the model whose labels the release answers with. */
export function answeringPart(definition: ModelDefinition): string {
  if (definition.models === undefined) return ONLY_MODEL;
  return definition.cascade?.at(-1)?.model ?? definition.models[0]?.id ?? ONLY_MODEL;
}

/** Path of a variant's file for one of the models. */
export function fileOf(variant: VariantDefinition, model: string): string {
  return variant.files?.[model] ?? variant.file;
}

/**
 * Reads `model.yaml`. What may be left out: `description`, `output` (what its task does by default), of `input` all but width and height
 * (rgb, stretch, nchw, scale 1/255, mean 0, std 1), of a variant all but its files (onnxruntime, the runtime's format, fp32,
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
  const models = input.models?.map(({ id, ...model }) => ({ id, ...resolvePart(model) }));
  return {
    name: input.name,
    version: input.version,
    ...(input.description === undefined ? {} : { description: input.description }),
    ...(models === undefined ? resolvePart(input) : { task: input.task, models }),
    ...(input.ensemble === undefined ? {} : { ensemble: input.ensemble }),
    ...(input.cascade === undefined ? {} : { cascade: input.cascade }),
    variants: input.variants.map(({ file, files, providers, requires, ...variant }) => {
      const format = variant.format ?? FORMATS[variant.runtime][0];
      return {
        ...variant,
        id: variant.id ?? `${format}-${variant.precision}`,
        format,
        file: file ?? files?.[models?.[0]?.id ?? ''] ?? '',
        ...(files === undefined ? {} : { files }),
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

type PartInput = Pick<DefinitionInput, 'task' | 'labels' | 'input' | 'output'>;

function resolvePart({ task, labels, input, output }: PartInput): ModelPart {
  if (input === undefined) throw new TypeError('expected an input: findContradictions lets nothing through without');
  const { mean, std, ...picture } = input;
  const channels = channelCount(picture.color);
  return {
    task,
    labels: labels ?? [],
    input: {
      ...picture,
      ...(hasDynamicSize(picture) ? { multipleOf: picture.multipleOf ?? (picture.resize === 'within' ? 32 : 1) } : {}),
      mean: mean ?? new Array<number>(channels).fill(0),
      std: std ?? new Array<number>(channels).fill(1),
    },
    output: filledPostprocessing(task, output),
  };
}
