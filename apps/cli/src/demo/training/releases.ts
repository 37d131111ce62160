import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addDenseLayers, buildMlp, GraphBuilder, toFloat16Weights } from '@aviary/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { addCleaning } from './cleaning.ts';
import { type Digit, type DigitSets, loadDigits, PIXELS } from './digits.ts';
import { brightnessAt, inTheField, inTheStudio } from './lighting.ts';
import { writePictures } from './pictures.ts';
import { seededRandom } from './random.ts';
import { train } from './trainer.ts';

export interface DemoRelease {
  readonly version: string;
  /** Folder with its model.yaml. */
  readonly directory: string;
}

/** The studio took fewer pictures than the field has. */
const STUDIO_PICTURES = 2_500;

type Present = (pixels: Float32Array, into: Float32Array, random: () => number) => void;

const inAnyLight: Present = (pixels, into, random) => inTheField(pixels, into, brightnessAt(random() * 1.6), random);

/** Runs a model over pictures in batches. @returns the logits of all, one after the other */
const run = async (model: Uint8Array, pictures: readonly Float32Array[]): Promise<Float32Array> => {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const input = new Float32Array(pictures.length * PIXELS);
  pictures.forEach((picture, index) => {
    input.set(picture, index * PIXELS);
  });
  const answer = await session.run({ input: new Tensor('float32', input, [pictures.length, PIXELS]) });
  await session.release();
  return Object.values(answer)[0]?.data as Float32Array;
};

/** The digits as the cleaning stage of 1.2.0 leaves them. */
const cleaned = async (digits: readonly Digit[]): Promise<Digit[]> => {
  const graph = new GraphBuilder('cleaning');
  graph.input('input', 'float32', ['N', PIXELS]);
  graph.output(addCleaning(graph, 'input'), 'float32', ['N', PIXELS]);
  const model = graph.build();
  const studio = digits.map(({ pixels }) => {
    const picture = new Float32Array(PIXELS);
    inTheStudio(pixels, picture);
    return picture;
  });
  const result = await run(model, studio);
  return digits.map(({ label }, index) => ({ label, pixels: result.slice(index * PIXELS, (index + 1) * PIXELS) }));
};

const buildCleaningModel = (sizes: readonly number[], layers: Parameters<typeof addDenseLayers>[3]): Uint8Array => {
  const graph = new GraphBuilder('cleaning-mlp');
  graph.input('input', 'float32', ['N', PIXELS]);
  addDenseLayers(graph, addCleaning(graph, 'input'), sizes, layers);
  graph.output('logits', 'float32', ['N', sizes.at(-1) ?? 0]);
  return graph.build();
};

const definition = (version: string, description: string): string => `name: meter-reader
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
`;

interface Recipe {
  readonly version: string;
  readonly description: string;
  readonly build: (sets: DigitSets, onEpoch: (epoch: number, loss: number) => void) => Promise<Uint8Array>;
  /** How the publisher's own acceptance pictures are lit. */
  readonly acceptance: Present;
}

const RECIPES: readonly Recipe[] = [
  {
    version: '1.0.0',
    description: 'Reads one digit of a meter',
    build: async ({ training }, onEpoch) => {
      const sizes = [PIXELS, 64, 10];
      return buildMlp(
        sizes,
        await train(training, { sizes, epochs: 10, learningRate: 0.45, seed: 1, present: inAnyLight, onEpoch }),
      );
    },
    acceptance: inAnyLight,
  },
  {
    version: '1.1.0',
    description: 'More hidden units, trained longer',
    build: async ({ training }, onEpoch) => {
      const sizes = [PIXELS, 256, 64, 10];
      return buildMlp(
        sizes,
        await train(training, { sizes, epochs: 20, learningRate: 0.5, seed: 2, present: inAnyLight, onEpoch }),
      );
    },
    acceptance: inAnyLight,
  },
  {
    version: '1.2.0',
    description: 'Cleans each picture first; tuned on studio pictures',
    build: async ({ training }, onEpoch) => {
      const sizes = [PIXELS, 48, 10];
      const digits = await cleaned(training.slice(0, STUDIO_PICTURES));
      const present: Present = (pixels, into) => into.set(pixels);
      return buildCleaningModel(
        sizes,
        await train(digits, { sizes, epochs: 10, learningRate: 0.2, seed: 3, present, onEpoch }),
      );
    },
    acceptance: inTheStudio,
  },
];

/**
 * Trains the demo's three releases and writes each as a folder that `aviary model push` takes: 1.0.0 good, 1.1.0
 * better, and 1.2.0, which is fine on its own suite's studio pictures and bad on what the devices see.
 */
export const makeDemoReleases = async (
  directory: string,
  say: (line: string) => void,
): Promise<readonly DemoRelease[]> => {
  const sets = await loadDigits();
  const releases: DemoRelease[] = [];
  for (const { version, description, build, acceptance } of RECIPES) {
    const folder = join(directory, `meter-reader-${version}`);
    await mkdir(folder, { recursive: true });
    let last = 0;
    const startedAt = performance.now();
    const model = await build(sets, (_, loss) => {
      last = loss;
    });
    say(`trained ${version} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s (loss ${last.toFixed(3)})`);
    await writeFile(join(folder, 'model.onnx'), model);
    await writeFile(join(folder, 'model-fp16.onnx'), toFloat16Weights(model));
    await writeFile(join(folder, 'model.yaml'), definition(version, description));
    const random = seededRandom(7);
    await writePictures(
      join(folder, 'acceptance'),
      sets.acceptance.map(({ label, pixels }) => {
        const picture = new Float32Array(PIXELS);
        acceptance(pixels, picture, random);
        return { label, pixels: picture };
      }),
    );
    releases.push({ version, directory: folder });
  }
  return releases;
};
