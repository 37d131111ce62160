import { ACCEPTANCE_FOLDER, type ManifestModel, type ReleaseManifest } from '../archive/manifest.ts';
import type { VariantDefinition } from './model-definition.ts';
import { ReleaseBuildError } from './release-build-error.ts';
import type { Sample } from './release-source.ts';

/** Of a longer output every so-many-th value is kept: a detector's would be ten times its manifest. */
const MOST_VALUES = 4096;

/**
 * Runs one model of a variant over whole samples here: per sample its raw first output, before activation, in the order
 * given; undefined when this machine cannot run the variant, which then has no golden outputs.
 */
export type RunModel = (request: {
  readonly manifest: ReleaseManifest;
  /** What the model takes. */
  readonly input: ManifestModel['preprocessing'];
  readonly model: Uint8Array;
  readonly samples: readonly Sample[];
}) => Promise<readonly ArrayLike<number>[] | undefined>;

type Golden = ReleaseManifest['acceptance']['golden'];

/**
 * What a model answers here, for a device to compare its own answers with; undefined when nothing here can run it.
 * @throws ReleaseBuildError `golden-failed`
 */
export async function goldenOutputsOf(
  runModel: RunModel,
  variant: VariantDefinition,
  part: ManifestModel,
  request: Omit<Parameters<RunModel>[0], 'input'>,
): Promise<Golden | undefined> {
  const { samples, manifest } = request;
  let outputs: readonly ArrayLike<number>[] | undefined;
  const place = `${variant.files?.[part.id] ?? variant.file} (variant ${variant.id})`;
  try {
    outputs = await runModel({ ...request, input: part.preprocessing });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new ReleaseBuildError('golden-failed', `${place} does not run: ${words}`, { cause });
  }
  return outputs && samples.map((sample, index) => golden(place, manifest, part, sample, outputs[index]));
}

function golden(
  place: string,
  manifest: ReleaseManifest,
  { id, task, labels }: ManifestModel,
  sample: Sample,
  output: ArrayLike<number> = [],
): Golden[number] {
  const expected = task === 'classification' ? labels.length : undefined;
  const every = Math.max(1, Math.ceil(output.length / MOST_VALUES));
  const values = thinned(output, every);
  if (output.length === 0 || (expected ?? output.length) !== output.length || !values.every(Number.isFinite)) {
    const wanted = expected === undefined ? 'finite values' : `${expected} finite values, one per label`;
    const got = output.length === 0 ? 'no' : output.length;
    throw new ReleaseBuildError('golden-failed', `${place} on ${sample.file}: expected ${wanted}, got ${got}`);
  }
  return {
    file: `${ACCEPTANCE_FOLDER}/${sample.file}`,
    ...(manifest.models === undefined ? {} : { model: id }),
    ...(every > 1 ? { every } : {}),
    output: values,
  };
}

/** Every `every`-th value, from the first on. */
export function thinned(values: ArrayLike<number>, every: number): number[] {
  return Array.from({ length: Math.ceil(values.length / every) }, (_, index) => values[index * every] as number);
}
