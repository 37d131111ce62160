import { ACCEPTANCE_FOLDER, MODELS_FOLDER, type ReleaseManifest, TRAINING_STEP_FILE } from '../archive/manifest.ts';
import { releaseOf } from '../release-name.ts';
import { fileOf, type ModelDefinition, partsOf, type VariantDefinition } from './model-definition.ts';
import { modelOf, type ReleaseSource } from './release-source.ts';
import type { TrainableModel } from './trainable-model.ts';

export interface ManifestRequest {
  readonly definition: ModelDefinition;
  readonly source: ReleaseSource;
  readonly variant: VariantDefinition;
  /** As `modelFiles` has them. */
  readonly models: ReadonlyMap<string, Uint8Array>;
  readonly releaseCounter: number;
  readonly rollbackFloor: number;
  /** Of a variant whose head can be trained. */
  readonly training: TrainableModel['training'] | undefined;
}

/**
 * A variant's models by their paths in its archive; of one whose head can be trained, the model that was made so.
 * @throws ReleaseBuildError `files-missing`
 */
export function modelFiles(
  definition: ModelDefinition,
  source: ReleaseSource,
  variant: VariantDefinition,
  trainable: TrainableModel | undefined,
): Map<string, Uint8Array> {
  return new Map(
    partsOf(definition).map(({ id }) => [
      archiveFile(definition, variant, id),
      trainable?.model ?? modelOf(source, fileOf(variant, id)),
    ]),
  );
}

/** What a variant's archive says of itself to a device; golden outputs, for which a model has to run, are not in it yet. */
export function manifestOf(request: ManifestRequest): ReleaseManifest {
  const { definition, source, variant, models, training } = request;
  const { id, runtime, format, precision, providers } = variant;
  const [firstFile = ''] = models.keys();
  return {
    formatVersion: 1,
    release: releaseOf(definition),
    releaseCounter: request.releaseCounter,
    rollbackFloor: request.rollbackFloor,
    ...(definition.description === undefined ? {} : { description: definition.description }),
    task: definition.task,
    labels: [...source.answers],
    ...modelsIn(definition, source, variant),
    variant: {
      id,
      runtime,
      format,
      precision,
      file: firstFile,
      ...(providers === undefined ? {} : { providers: [...providers] }),
    },
    ...(training === undefined ? {} : { training: { ...training, step: TRAINING_STEP_FILE } }),
    acceptance: {
      limits: definition.acceptance.limits,
      samples: source.samples.map(({ file, label }) => ({ file: `${ACCEPTANCE_FOLDER}/${file}`, label })),
      golden: [],
    },
  };
}

function modelsIn(
  definition: ModelDefinition,
  source: ReleaseSource,
  variant: VariantDefinition,
): Pick<ReleaseManifest, 'preprocessing' | 'postprocessing' | 'models' | 'ensemble' | 'cascade'> {
  if (definition.models === undefined) {
    return { preprocessing: definition.input, postprocessing: definition.output };
  }
  const { models, ensemble, cascade } = definition;
  return {
    models: models.map(({ id, task, input, output }) => ({
      id,
      task,
      labels: [...(source.labels.get(id) ?? [])],
      preprocessing: input,
      postprocessing: output,
      file: archiveFile(definition, variant, id),
    })),
    ...(ensemble === undefined ? {} : { ensemble }),
    ...(cascade === undefined ? {} : { cascade: [...cascade] }),
  };
}

/** Where a model lies in the archive. */
function archiveFile({ models }: ModelDefinition, { format }: VariantDefinition, id: string): string {
  return models === undefined ? `model.${format}` : `${MODELS_FOLDER}/${id}.${format}`;
}
