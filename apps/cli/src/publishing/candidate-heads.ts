import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyUpdate, decodeHead, headSize } from '@aviary/federation';
import { HeadNotFoundError, readModel, withHead } from '@aviary/onnx';
import type { RoundCandidate } from '@aviary/protocol';
import type { ModelDefinition, ReleaseTarget, VariantDefinition } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import { readTrainableHead, sha256Of, type TrainableHead } from './trainable-head.ts';

/** What became of a variant. */
export interface RebuiltVariant {
  readonly variant: string;
  /** Path of its file in the model's folder. */
  readonly file: string;
  /** The file with the new head; undefined: it has none that could change, and stays as it is. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * The aggregated update of a round, once it is what the round says it is.
 * @throws Error when it came damaged, HeadBytesError when it is none of this shape
 */
export const updateOf = ({ update, features, classes, aggregate }: RoundCandidate): Float32Array => {
  const bytes = Buffer.from(update, 'base64');
  const digest = sha256Of(bytes);
  if (digest !== aggregate.sha256) {
    throw new Error(
      `Expected an update with the SHA-256 ${aggregate.sha256}, as the round has it, got ${digest}. Nothing was built; try again.`,
    );
  }
  const values = decodeHead(bytes, { features, classes });
  if (!values.every(Number.isFinite)) throw new Error('Expected an update of finite numbers. Nothing was built.');
  return values;
};

const trainableOf = (file: Buffer, variant: VariantDefinition, node: string | undefined): TrainableHead | undefined => {
  try {
    return readTrainableHead(file, node);
  } catch (error) {
    if (error instanceof HeadNotFoundError && variant.precision === 'int8') return undefined;
    throw error;
  }
};

/** The file is the one of which the release was made. */
const expectPublished = (variant: VariantDefinition, target: ReleaseTarget | undefined, found: TrainableHead): void => {
  const published = target?.training;
  if (published === undefined) {
    throw new UsageError(
      `Variant "${variant.id}" is not in the release that was published, or cannot be trained there. Give the folder as it was pushed with --from.`,
    );
  }
  for (const [what, expected, got] of [
    ['backbone', published.backbone, found.backbone],
    ['head', published.base, found.base],
  ]) {
    if (expected === got) continue;
    throw new UsageError(
      `${variant.file} (variant ${variant.id}) is not the file that was published: expected the ${what} ${expected}, got ${got}. Give the folder as it was pushed with --from.`,
    );
  }
};

const rebuilt = (variant: VariantDefinition, file: Buffer, found: TrainableHead, update: Float32Array): Uint8Array => {
  const size = headSize(found.head);
  if (size !== update.length) {
    throw new UsageError(
      `The head of variant "${variant.id}" has ${size} values, and the update ${update.length}. All trainable variants of a release need the same head.`,
    );
  }
  const bytes = withHead(readModel(file), found.head, applyUpdate(found.values, update));
  const { backbone } = readTrainableHead(bytes, found.head.node);
  if (backbone !== found.backbone) {
    throw new Error(`The backbone of variant "${variant.id}" did not stay as it was. Nothing was built.`);
  }
  return bytes;
};

/**
 * Adds a round's update to the head of every variant that has one, each in its own precision. The variant that the
 * devices trained gets exactly base + update; every byte of every backbone stays as it was.
 * @param targets of the published release
 * @throws UsageError when the folder is not the one of which the release was made
 */
export const rebuildHeads = async (
  directory: string,
  definition: ModelDefinition,
  targets: readonly ReleaseTarget[],
  candidate: RoundCandidate,
): Promise<RebuiltVariant[]> => {
  const update = updateOf(candidate);
  const variants: RebuiltVariant[] = [];
  let trained = false;
  for (const variant of definition.variants) {
    const { id, file: path } = variant;
    const file = await readFile(join(directory, path)).catch(() => {
      throw new UsageError(`model.yaml names ${path}, which is not in ${directory}. Give the folder as it was pushed.`);
    });
    const found = variant.format === 'onnx' ? trainableOf(file, variant, definition.training?.head) : undefined;
    if (found === undefined) {
      variants.push({ variant: id, file: path, bytes: undefined });
      continue;
    }
    const target = targets.find((published) => published.variant === id);
    expectPublished(variant, target, found);
    trained ||= found.backbone === candidate.backbone && found.base === candidate.base;
    variants.push({ variant: id, file: path, bytes: rebuilt(variant, file, found, update) });
  }
  if (trained) return variants;
  throw new UsageError(
    `No variant in ${directory} has the backbone ${candidate.backbone} and the head ${candidate.base} that the round trained.`,
  );
};
