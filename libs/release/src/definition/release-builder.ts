import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createHeader, FILE_KEY_BYTES } from '../age/age-header.ts';
import { decodeAgeRecipient } from '../age/age-recipient.ts';
import {
  ACCEPTANCE_FOLDER,
  BOM_FILE,
  encodeManifest,
  LABELS_FILE,
  MANIFEST_FILE,
  modelsOf,
  type ReleaseManifest,
  SIGNATURE_FILE,
  TRAINING_STEP_FILE,
} from '../archive/manifest.ts';
import { encodeOmsBundle, signModel } from '../archive/oms.ts';
import { packArchive } from '../archive/variant-archive.ts';
import { type ReleaseStatement, type ReleaseTarget, releaseStatementSchema } from '../documents/release-statement.ts';
import type { Signer } from '../documents/signing-key.ts';
import { releaseOf } from '../release-name.ts';
import { goldenOutputsOf, type RunModel } from './golden-outputs.ts';
import { encodeModelBom } from './model-bom.ts';
import { fileOf, type ModelDefinition, type ModelPart, partsOf, type VariantDefinition } from './model-definition.ts';
import { ReleaseBuildError } from './release-build-error.ts';
import { modelOf, type ReleaseSource, readReleaseSource } from './release-source.ts';
import { writeSealedFile } from './sealed-file.ts';
import { type PrepareTraining, type TrainableModel, trainableModelOf } from './trainable-model.ts';
import { manifestOf, modelFiles } from './variant-manifest.ts';

/** What a model file says of itself, as far as whoever chooses among variants has to know. */
export interface InspectedModel {
  /** Of ONNX: the version of its operators. */
  readonly opset?: number;
}

/** Throws, with what is wrong, when the bytes are not a model of the variant's format, or not one of this task. */
export type InspectModel = (request: {
  readonly variant: VariantDefinition;
  /** Path of the model file. */
  readonly file: string;
  readonly bytes: Buffer;
  readonly labels: readonly string[];
  readonly part: ModelPart;
}) => InspectedModel | undefined | Promise<InspectedModel | undefined>;

export type BuildStep =
  | 'inspect'
  | 'training'
  | 'training-skipped'
  | 'golden'
  | 'golden-skipped'
  | 'pack'
  | 'seal'
  | 'sealed';

export interface BuildProgress {
  readonly step: BuildStep;
  readonly variant: string;
  /** With `sealed`: bytes of the payload. */
  readonly bytes?: number;
}

export interface BuildReleaseOptions {
  /** Folder of `model.yaml`. */
  readonly directory: string;
  readonly definition: ModelDefinition;
  readonly releaseCounter: number;
  readonly rollbackFloor: number;
  /** Oldest agent that can run it. */
  readonly minAgent: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly signer: Signer;
  /** The control plane's age recipient, `age1…`. */
  readonly recipient: string;
  /** Made by this call; must not exist. Removed again on any error. */
  readonly outputDirectory: string;
  readonly inspectModel: InspectModel;
  /** Ids of the firmware profiles that a variant is for, at least one. */
  readonly profilesFor: (variant: VariantDefinition) => readonly string[];
  /** Needed when the definition has a `goldenTolerance`. */
  readonly runModel?: RunModel;
  /** Needed when the definition has `training`; asked for ONNX variants. */
  readonly prepareTraining?: PrepareTraining;
  readonly onProgress?: (progress: BuildProgress) => void;
}

export interface BuiltVariant {
  readonly target: ReleaseTarget;
  /** Path of the sealed payload in the output directory. */
  readonly payloadFile: string;
  /** age header for the control plane; header ‖ payload is an age file. */
  readonly ageHeader: Buffer;
}

export interface BuiltRelease {
  readonly statement: ReleaseStatement;
  readonly variants: readonly BuiltVariant[];
}

/**
 * Makes a release of a folder: one signed tar per variant, sealed under a file key of its own, and the statement over
 * them all. Holds one variant in memory at a time, beside the model files and the samples.
 * @throws ReleaseBuildError, AgeError for the recipient, and what the file system throws.
 */
export async function buildRelease(options: BuildReleaseOptions): Promise<BuiltRelease> {
  const { definition, outputDirectory } = options;
  decodeAgeRecipient(options.recipient);
  if (definition.acceptance.limits.goldenTolerance !== undefined && options.runModel === undefined) {
    throw new ReleaseBuildError(
      'golden-failed',
      'acceptance.goldenTolerance is set, but nothing here can run the model',
    );
  }
  if (definition.training !== undefined && options.prepareTraining === undefined) {
    throw new ReleaseBuildError('training-failed', 'training is set, but nothing here can make a model trainable');
  }
  const source = await readReleaseSource(options.directory, definition);
  const inspected = new Map<VariantDefinition, InspectedModel>();
  for (const variant of definition.variants) inspected.set(variant, await inspect(options, source, variant));

  await mkdir(dirname(outputDirectory), { recursive: true });
  try {
    await mkdir(outputDirectory);
  } catch (cause) {
    if (!isNodeError(cause) || cause.code !== 'EEXIST') throw cause;
    throw new ReleaseBuildError('output-exists', `${outputDirectory} exists already; remove it or name another`, {
      cause,
    });
  }
  try {
    const variants: BuiltVariant[] = [];
    for (const [variant, model] of inspected) variants.push(await buildVariant(options, source, variant, model));
    if (definition.training !== undefined && variants.every(({ target }) => target.training === undefined)) {
      throw new ReleaseBuildError(
        'training-failed',
        'model.yaml, training: expected at least one variant whose head can be trained, got none',
      );
    }
    const statement = releaseStatementSchema.parse({
      release: releaseOf(definition),
      releaseCounter: options.releaseCounter,
      rollbackFloor: options.rollbackFloor,
      minAgent: options.minAgent,
      issuedAt: options.now,
      targets: variants.map(({ target }) => target),
      publisherKey: options.signer.publicKeyPem,
      ...(source.lineage === undefined ? {} : { lineage: source.lineage }),
    });
    return { statement, variants };
  } catch (error) {
    await rm(outputDirectory, { recursive: true, force: true });
    throw error;
  }
}

async function inspect(
  options: BuildReleaseOptions,
  source: ReleaseSource,
  variant: VariantDefinition,
): Promise<InspectedModel> {
  options.onProgress?.({ step: 'inspect', variant: variant.id });
  const opsets: number[] = [];
  for (const part of partsOf(options.definition)) {
    const file = fileOf(variant, part.id);
    try {
      const inspected = await options.inspectModel({
        variant,
        file,
        bytes: modelOf(source, file),
        labels: source.labels.get(part.id) ?? [],
        part,
      });
      if (inspected?.opset !== undefined) opsets.push(inspected.opset);
    } catch (cause) {
      throw new ReleaseBuildError('model-invalid', `${file} (variant ${variant.id}): ${messageOf(cause)}`, { cause });
    }
  }
  return opsets.length === 0 ? {} : { opset: Math.max(...opsets) };
}

async function buildVariant(
  options: BuildReleaseOptions,
  source: ReleaseSource,
  variant: VariantDefinition,
  { opset }: InspectedModel,
): Promise<BuiltVariant> {
  const { definition } = options;
  const trainable = await makeTrainable(options, source, variant);
  const models = modelFiles(definition, source, variant, trainable);
  const { releaseCounter, rollbackFloor } = options;
  const training = trainable?.training;
  const bare = manifestOf({ definition, source, variant, models, releaseCounter, rollbackFloor, training });
  const manifest = await withGoldenOutputs(options, source, variant, models, bare);
  const files = new Map<string, Uint8Array>([
    ...models,
    ...(trainable === undefined ? [] : [[TRAINING_STEP_FILE, trainable.step] as const]),
    [MANIFEST_FILE, encodeManifest(manifest)],
    [LABELS_FILE, Buffer.from(source.answers.map((label) => `${label}\n`).join(''), 'utf8')],
    ...source.samples.map((sample): [string, Uint8Array] => [`${ACCEPTANCE_FOLDER}/${sample.file}`, sample.bytes]),
    ...(source.provenance?.files ?? []),
  ]);
  const { lineage, provenance } = source;
  files.set(BOM_FILE, encodeModelBom({ definition, manifest, files, sourceFile: variant.file, lineage, provenance }));
  options.onProgress?.({ step: 'pack', variant: variant.id });
  const signature = encodeOmsBundle(signModel(files, options.signer, definition.name));
  files.set(SIGNATURE_FILE, signature);
  const tar = await packArchive(files);

  options.onProgress?.({ step: 'seal', variant: variant.id });
  const payloadFile = join(options.outputDirectory, `${variant.id}.age-payload`);
  const fileKey = randomBytes(FILE_KEY_BYTES);
  const sealed = await writeSealedFile(payloadFile, fileKey, tar);
  const ageHeader = createHeader(fileKey, options.recipient);
  fileKey.fill(0);
  options.onProgress?.({ step: 'sealed', variant: variant.id, bytes: sealed.length });
  return {
    target: {
      path: `${definition.name}/${definition.version}/${variant.id}.age-payload`,
      variant: variant.id,
      runtime: variant.runtime,
      format: variant.format,
      precision: variant.precision,
      ...(opset === undefined ? {} : { opset }),
      ...(variant.requires === undefined ? {} : { requires: variant.requires }),
      profiles: [...options.profilesFor(variant)],
      ...sealed,
      plaintextSha256: createHash('sha256').update(tar).digest('hex'),
      plaintextLength: tar.length,
      omsSha256: createHash('sha256').update(signature).digest('hex'),
      ...(trainable === undefined ? {} : { training: forRounds(trainable.training) }),
    },
    payloadFile,
    ageHeader,
  };
}

async function makeTrainable(
  { definition, prepareTraining, onProgress }: BuildReleaseOptions,
  source: ReleaseSource,
  variant: VariantDefinition,
): Promise<TrainableModel | undefined> {
  if (definition.training === undefined || prepareTraining === undefined || variant.format !== 'onnx') return undefined;
  onProgress?.({ step: 'training', variant: variant.id });
  const request = { variant, bytes: modelOf(source, variant.file), labels: source.answers };
  const trainable = await trainableModelOf(prepareTraining, definition.training, request);
  if (trainable === undefined) onProgress?.({ step: 'training-skipped', variant: variant.id });
  return trainable;
}

/** What the control plane has to know of it; the rest is for the device. */
function forRounds({
  backbone,
  base,
  features,
  classes,
}: TrainableModel['training']): NonNullable<ReleaseTarget['training']> {
  return { backbone, base, features, classes };
}

/** The same manifest with what its models answer here, where golden outputs are asked for. */
async function withGoldenOutputs(
  { definition, runModel, onProgress }: BuildReleaseOptions,
  source: ReleaseSource,
  variant: VariantDefinition,
  models: ReadonlyMap<string, Uint8Array>,
  manifest: ReleaseManifest,
): Promise<ReleaseManifest> {
  const { goldenSamples, limits } = definition.acceptance;
  if (limits.goldenTolerance === undefined || runModel === undefined) return manifest;
  onProgress?.({ step: 'golden', variant: variant.id });
  const samples = source.samples.slice(0, goldenSamples);
  const all: ReleaseManifest['acceptance']['golden'] = [];
  for (const part of modelsOf(manifest)) {
    const model = models.get(part.file) ?? Buffer.of();
    const golden = await goldenOutputsOf(runModel, variant, part, { manifest, model, samples });
    if (golden === undefined) onProgress?.({ step: 'golden-skipped', variant: variant.id });
    all.push(...(golden ?? []));
  }
  return { ...manifest, acceptance: { ...manifest.acceptance, golden: all } };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isNodeError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
