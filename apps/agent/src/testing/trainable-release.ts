import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  backboneBytes,
  buildMlp,
  buildMlpTrainingStep,
  findHead,
  readHead,
  readModel,
  withFeaturesOutput,
  writeModel,
} from '@aviary/onnx';
import { type ManifestTraining, type ReleaseManifest, TRAINING_STEP_FILE } from '@aviary/release';
import { writeLightRelease } from '../inference/testing/light-release.ts';
import { floatBytes } from '../learning/sample.ts';
import type { SealedRelease } from './sealed-release.ts';
import { sealRelease } from './sealed-release.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Features of a picture of one gray from 0 to 1: its brightness, its darkness, and their distances from the middle. */
const BACKBONE = {
  w: Float32Array.from([1, -1, 2, -2, 1, -1, 2, -2, 1, -1, 2, -2, 1, -1, 2, -2], (value) => value / 4),
  b: Float32Array.from([0, 1, -1, 1]),
};
/** Says `light` where the brightness is above one half, `dark` elsewhere. */
export const LIGHT_HEAD = { w: Float32Array.from([-2, 2, 2, -2, -1, 1, 1, -1]), b: Float32Array.from([0, 0]) };

/** Four features of a 2 × 2 picture; every bit as the model computes it is not promised. */
export const featuresOf = (gray: number): number[] => {
  const m = gray / 255;
  return [m, 1 - m, 2 * m - 1, 1 - 2 * m].map((value) => Math.max(0, value));
};

export interface TrainableRelease {
  /** The opened variant. */
  readonly folder: string;
  readonly manifest: ReleaseManifest;
  readonly training: ManifestTraining;
  /** The head with which it serves. */
  readonly head: Float32Array;
}

/**
 * Writes an opened variant like `writeLightRelease`, whose head can be trained: two labels from four features.
 * @param head another one; by default it knows dark and light
 */
export const writeTrainableRelease = async (
  folder: string,
  change: { readonly head?: typeof LIGHT_HEAD; readonly manifest?: Partial<ReleaseManifest> } = {},
): Promise<TrainableRelease> => {
  const plain = readModel(buildMlp([4, 4, 2], [BACKBONE, change.head ?? LIGHT_HEAD]));
  const found = findHead(plain);
  const model = withFeaturesOutput(plain, found);
  const head = readHead(model, found);
  const { weights, bias, features, classes, transposed, featuresOutput } = found;
  const training: ManifestTraining = {
    featuresOutput,
    features,
    classes,
    weights,
    bias,
    transposed,
    backbone: sha256(backboneBytes(model, found)),
    base: sha256(floatBytes(head)),
    step: TRAINING_STEP_FILE,
  };
  await writeLightRelease(folder, { manifest: { training, ...change.manifest }, model: writeModel(model) });
  mkdirSync(join(folder, 'training'), { recursive: true });
  writeFileSync(join(folder, TRAINING_STEP_FILE), buildMlpTrainingStep([features, classes]).model);
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as ReleaseManifest;
  return { folder, manifest, training, head };
};

/** An opened variant as a publisher signs, packs and seals it for `identity`. */
export const sealFolder = async ({ folder, manifest }: TrainableRelease): Promise<SealedRelease> => {
  const { release, releaseCounter, rollbackFloor } = manifest;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = new Map<string, Uint8Array>();
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), await readFile(path));
  }
  return sealRelease(release, { releaseCounter, rollbackFloor, files });
};
