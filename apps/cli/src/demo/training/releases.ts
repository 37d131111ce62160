import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toFloat16Weights } from '@aviary/onnx';
import { loadDigits, PIXELS } from './digits.ts';
import { writePictures } from './pictures.ts';
import { seededRandom } from './random.ts';
import { RECIPES, type Recipe } from './recipes.ts';

const definition = ({ version, description, training }: Recipe): string => `name: meter-reader
version: ${version}
description: ${description}
task: classification
labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
input: { width: 28, height: 28, color: gray, resize: stretch, layout: flat, scale: 1/255 }
output: { activation: softmax, confidenceBelow: 0.6 }
variants:
  - { id: onnx-fp32, file: model.onnx }
  - { id: onnx-fp16, file: model-fp16.onnx, precision: fp16 }
acceptance:
  samples: acceptance
  goldenTolerance: 0.05
  minAccuracy: 0.85
  maxP95Ms: 1000
  maxLowConfidenceRate: 0.25
${training === undefined ? '' : `training: ${training}\n`}`;

/**
 * Trains the demo's three releases and writes each as a folder that `aviary model push` takes.
 * @param say told what was trained, and how long it took
 * @param options the seed of the digits; a signal that ends it before its time
 * @returns the folders, oldest release first
 */
export const makeDemoReleases = async (
  directory: string,
  say: (line: string) => void,
  options: { seed: number; signal?: AbortSignal },
): Promise<readonly string[]> => {
  const sets = await loadDigits(options.seed);
  const folders: string[] = [];
  for (const recipe of RECIPES) {
    const { version, description, build, acceptance } = recipe;
    const folder = join(directory, `meter-reader-${version}`);
    await mkdir(folder, { recursive: true });
    const startedAt = performance.now();
    const model = await build(sets.training, options.signal);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(`${version} trained in ${seconds} s: ${description}`);
    await writeFile(join(folder, 'model.onnx'), model);
    await writeFile(join(folder, 'model-fp16.onnx'), toFloat16Weights(model));
    await writeFile(join(folder, 'model.yaml'), definition(recipe));
    const random = seededRandom(7);
    await writePictures(
      join(folder, 'acceptance'),
      sets.acceptance.map(({ label, pixels }) => {
        const picture = new Float32Array(PIXELS);
        acceptance(pixels, picture, random);
        return { label, pixels: picture };
      }),
    );
    folders.push(folder);
  }
  return folders;
};
