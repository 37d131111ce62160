import { addDenseLayers, buildMlp, GraphBuilder } from '@aviary/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { addCleaning } from './cleaning.ts';
import { type Digit, PIXELS } from './digits.ts';
import { brightnessAt, inTheField, inTheStudio } from './lighting.ts';
import { train } from './trainer.ts';

/** The studio took fewer pictures than the field has. */
const STUDIO_PICTURES = 2_500;

/** Writes a digit into `into` as a camera sees it. */
export type Present = (pixels: Float32Array, into: Float32Array, random: () => number) => void;

const inAnyLight: Present = (pixels, into, random) => inTheField(pixels, into, brightnessAt(random() * 1.6), random);

/** Runs a model over pictures, all at once. @returns the logits of all, one after the other */
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

/** How one release of the demo is made. */
export interface Recipe {
  readonly version: string;
  readonly description: string;
  /** Trains it. @returns the ONNX file */
  readonly build: (digits: readonly Digit[], signal?: AbortSignal) => Promise<Uint8Array>;
  /** Whether devices may train its last layer, as `model.yaml` says it. */
  readonly training?: 'auto';
  /** How the publisher's own acceptance pictures are lit. */
  readonly acceptance: Present;
}

/** 1.0.0 good, 1.1.0 better, and 1.2.0, which is fine on its own suite's studio pictures and bad in the field. */
export const RECIPES: readonly Recipe[] = [
  {
    version: '1.0.0',
    description: 'One hidden layer of 64 units',
    build: async (training, signal) => {
      const sizes = [PIXELS, 64, 10];
      return buildMlp(
        sizes,
        await train(training, { sizes, epochs: 10, learningRate: 0.45, seed: 1, present: inAnyLight, signal }),
      );
    },
    acceptance: inAnyLight,
  },
  {
    version: '1.1.0',
    description: 'Two hidden layers, of 256 and 64 units',
    build: async (training, signal) => {
      const sizes = [PIXELS, 256, 64, 10];
      return buildMlp(
        sizes,
        await train(training, { sizes, epochs: 20, learningRate: 0.5, seed: 2, present: inAnyLight, signal }),
      );
    },
    training: 'auto',
    acceptance: inAnyLight,
  },
  {
    version: '1.2.0',
    description: 'Cleans each picture first, tuned in the studio',
    build: async (training, signal) => {
      const sizes = [PIXELS, 48, 10];
      const digits = await cleaned(training.slice(0, STUDIO_PICTURES));
      const present: Present = (pixels, into) => into.set(pixels);
      return buildCleaningModel(
        sizes,
        await train(digits, { sizes, epochs: 10, learningRate: 0.2, seed: 3, present, signal }),
      );
    },
    acceptance: inTheStudio,
  },
];
