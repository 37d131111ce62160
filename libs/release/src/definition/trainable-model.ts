import type { ManifestTraining } from '../archive/manifest.ts';
import type { TrainingDefinition, VariantDefinition } from './model-definition.ts';
import { ReleaseBuildError } from './release-build-error.ts';

/** A model whose head can be trained on the device. */
export interface TrainableModel {
  /** The model file with the head's input as a further output, after its own. */
  readonly model: Uint8Array;
  readonly training: Omit<ManifestTraining, 'step'>;
  /** The ONNX graph of one training step. */
  readonly step: Uint8Array;
}

/**
 * Makes a variant trainable; undefined for one that cannot be and need not. Throws, with what is wrong, when it should
 * have been possible.
 */
export type PrepareTraining = (request: {
  readonly variant: VariantDefinition;
  readonly bytes: Buffer;
  readonly labels: readonly string[];
  /** Name of the node that is the head; undefined: to be found. */
  readonly head: string | undefined;
}) => TrainableModel | undefined | Promise<TrainableModel | undefined>;

/**
 * A variant with all that a device needs to train its head.
 * @throws ReleaseBuildError `training-failed`, with the place in `model.yaml`
 */
export async function trainableModelOf(
  prepare: PrepareTraining,
  { head }: TrainingDefinition,
  request: Omit<Parameters<PrepareTraining>[0], 'head'>,
): Promise<TrainableModel | undefined> {
  const { variant, labels } = request;
  const place = `model.yaml, training${head === undefined ? '' : '.head'}: ${variant.file} (variant ${variant.id}): `;
  let trainable: TrainableModel | undefined;
  try {
    trainable = await prepare({ ...request, head });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new ReleaseBuildError('training-failed', place + words, { cause });
  }
  if (trainable !== undefined && trainable.training.classes !== labels.length) {
    throw new ReleaseBuildError(
      'training-failed',
      `${place}expected a head with ${labels.length} classes, one per label, got ${trainable.training.classes}`,
    );
  }
  return trainable;
}
