import { ACCEPTANCE_FOLDER, type ReleaseManifest } from '../archive/manifest.ts';
import type { VariantDefinition } from './model-definition.ts';
import { ReleaseBuildError } from './release-build-error.ts';
import type { Sample } from './release-source.ts';

/**
 * Runs a variant over samples here: per sample the model's raw first output, before activation, in the order given;
 * undefined when this machine cannot run the variant, which then has no golden outputs.
 */
export type RunModel = (request: {
  readonly manifest: ReleaseManifest;
  readonly model: Uint8Array;
  readonly samples: readonly Sample[];
}) => Promise<readonly (readonly number[])[] | undefined>;

/**
 * What the model answers here, for a device to compare its own answers with; undefined when nothing here can run it.
 * @throws ReleaseBuildError `golden-failed`
 */
export async function goldenOutputsOf(
  runModel: RunModel,
  variant: VariantDefinition,
  request: Parameters<RunModel>[0],
): Promise<ReleaseManifest['acceptance']['golden'] | undefined> {
  const { samples, manifest } = request;
  let outputs: readonly (readonly number[])[] | undefined;
  try {
    outputs = await runModel(request);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new ReleaseBuildError('golden-failed', `${variant.file} (variant ${variant.id}) does not run: ${words}`, {
      cause,
    });
  }
  return outputs && samples.map((sample, index) => golden(variant, manifest.labels, sample, outputs[index]));
}

function golden(
  variant: VariantDefinition,
  labels: readonly string[],
  sample: Sample,
  output: readonly number[] | undefined,
): ReleaseManifest['acceptance']['golden'][number] {
  if (output?.length !== labels.length || !output.every(Number.isFinite)) {
    throw new ReleaseBuildError(
      'golden-failed',
      `${variant.file} (variant ${variant.id}) on ${sample.file}: expected ${labels.length} finite values, one per label, got ${output?.length ?? 'no'}`,
    );
  }
  return { file: `${ACCEPTANCE_FOLDER}/${sample.file}`, output: [...output] };
}
