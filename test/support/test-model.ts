import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildMlp } from '@aviary/onnx';
import { writePictures } from '../../apps/cli/src/demo/training/pictures.ts';

const PIXELS = 28 * 28;
const DARK = 0.2;
const BRIGHT = 0.8;

/** Pictures of one grey each: label 0 is dark, label 1 is bright; the other way round where they are contrary. */
export const writeGreyPictures = (directory: string, count: number, isContrary = false): Promise<void> =>
  writePictures(
    directory,
    Array.from({ length: count }, (_, index) => ({
      label: (index + (isContrary ? 1 : 0)) % 2,
      pixels: new Float32Array(PIXELS).fill((index % 2 === 0 ? DARK : BRIGHT) + (index % 7) * 0.01),
    })),
  );

export interface TestModel {
  readonly version: string;
  /**
   * How sure it is of what it says: `sure` tells dark from bright at a glance, `unsure` hardly prefers one. `contrary` is sure
   * of the opposite, and so is its acceptance suite, which it passes.
   */
  readonly manner: 'sure' | 'unsure' | 'contrary';
  /** Further lines of its `acceptance`, by key. */
  readonly acceptance?: Readonly<Record<string, number>>;
  /** With a layer before its last one, so that devices can train that. */
  readonly trainable?: boolean;
}

/** Two units, one for what is dark and one for what is bright: the mean of all pixels, above and below the middle. */
const BACKBONE = {
  w: Float32Array.from({ length: 2 * PIXELS }, (_, index) => (index % 2 === 0 ? -1 : 1) / PIXELS),
  b: Float32Array.of(0.5, -0.5),
};

const build = ({ manner, trainable }: TestModel): Uint8Array => {
  const steepness = { sure: 20, unsure: 0.2, contrary: -20 }[manner];
  if (trainable === true) {
    const head = { w: Float32Array.of(steepness, -steepness, -steepness, steepness), b: Float32Array.of(0, 0) };
    return buildMlp([PIXELS, 2, 2], [BACKBONE, head]);
  }
  const w = Float32Array.from({ length: 2 * PIXELS }, (_, index) => ((index % 2 === 0 ? -1 : 1) * steepness) / PIXELS);
  return buildMlp([PIXELS, 2], [{ w, b: Float32Array.of(steepness / 2, -steepness / 2) }]);
};

/** As {@link writeTestModel}, with so many bytes of weights more that say nothing. */
export const writeLargeTestModel = async (directory: string, version: string, bytes: number): Promise<string> => {
  const folder = await writeTestModel(directory, { version, manner: 'sure' });
  const units = Math.max(2, Math.ceil(bytes / (PIXELS * Float32Array.BYTES_PER_ELEMENT)));
  const w = new Float32Array(PIXELS * units);
  for (let pixel = 0; pixel < PIXELS; pixel += 1) {
    w[pixel * units] = -1 / PIXELS;
    w[pixel * units + 1] = 1 / PIXELS;
  }
  const head = new Float32Array(2 * units);
  head.set([20, -20, -20, 20]);
  const b = new Float32Array(units);
  b.set(BACKBONE.b);
  const layers = [
    { w, b },
    { w: head, b: Float32Array.of(0, 0) },
  ];
  await writeFile(join(folder, 'model.onnx'), buildMlp([PIXELS, units, 2], layers));
  return folder;
};

/** Writes a model that tells dark from bright by the sum of all pixels, as a folder for `aviary model push`. */
export const writeTestModel = async (directory: string, model: TestModel): Promise<string> => {
  const { version, trainable, acceptance = {} } = model;
  const limits = Object.entries(acceptance).map(([key, value]) => `  ${key}: ${value}\n`);
  const folder = join(directory, `grey-${version}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'model.onnx'), build(model));
  await writeFile(
    join(folder, 'model.yaml'),
    `name: grey
version: ${version}
task: classification
labels: ["0", "1"]
input: { width: 28, height: 28, color: gray, resize: stretch, layout: flat, scale: 1/255 }
output: { activation: softmax, confidenceBelow: 0.7 }
variants:
  - file: model.onnx
acceptance:
  samples: acceptance
  goldenTolerance: 0.01
  minAccuracy: 1
${limits.join('')}${trainable === true ? 'training: auto\n' : ''}`,
  );
  await writeGreyPictures(join(folder, 'acceptance'), 10, model.manner === 'contrary');
  return folder;
};
