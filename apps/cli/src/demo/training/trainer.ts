import { buildMlpTrainingStep, type DenseLayer } from '@aviary/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type Digit, PIXELS } from './digits.ts';
import { seededRandom, shuffled } from './random.ts';

const BATCH = 50;

export interface TrainingOptions {
  /** Of the input, each hidden layer, and the output. */
  readonly sizes: readonly number[];
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
  /** Writes a picture as the device will see it into `into`: lighting, cleaning. */
  readonly present: (pixels: Float32Array, into: Float32Array, random: () => number) => void;
  /** Ends the training before its time, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** He's initialisation: variance 2 over the number of inputs, which ReLU halves again. */
const initialWeights = (inputs: number, outputs: number, random: () => number): Float32Array =>
  Float32Array.from({ length: inputs * outputs }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return radius * Math.cos(2 * Math.PI * random()) * Math.sqrt(2 / inputs);
  });

/** Trains a multilayer perceptron with the step graph, in the runtime that will infer. Repeatable for a seed. */
export const train = async (digits: readonly Digit[], options: TrainingOptions): Promise<DenseLayer[]> => {
  const { sizes, epochs, learningRate, seed, present, signal } = options;
  const random = seededRandom(seed);
  const { model, parameters } = buildMlpTrainingStep(sizes);
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  let state: Record<string, Tensor> = Object.fromEntries(
    parameters.map(({ name, shape }) => {
      const [inputs = 0, outputs] = shape;
      const values = outputs === undefined ? new Float32Array(inputs) : initialWeights(inputs, outputs, random);
      return [name, new Tensor('float32', values, shape)];
    }),
  );
  const features = new Float32Array(BATCH * PIXELS);
  const labels = new BigInt64Array(BATCH);
  const weights = new Tensor('float32', new Float32Array(BATCH).fill(1), [BATCH]);
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    signal?.throwIfAborted();
    // Smaller steps towards the end settle the weights.
    const rate = new Tensor('float32', Float32Array.of(learningRate * (1 - (0.9 * (epoch - 1)) / epochs)), []);
    const order = shuffled(digits, random);
    for (let start = 0; start + BATCH <= order.length; start += BATCH) {
      for (let index = 0; index < BATCH; index += 1) {
        const digit = order[start + index] as Digit;
        present(digit.pixels, features.subarray(index * PIXELS, (index + 1) * PIXELS), random);
        labels[index] = BigInt(digit.label);
      }
      const answer = await session.run({
        ...state,
        features: new Tensor('float32', features, [BATCH, PIXELS]),
        labels: new Tensor('int64', labels, [BATCH]),
        sample_weights: weights,
        learning_rate: rate,
      });
      state = Object.fromEntries(parameters.map(({ name }) => [name, answer[`${name}_next`] as Tensor]));
    }
  }
  await session.release();
  const data = (name: string) => (state[name] as Tensor).data as Float32Array;
  return sizes.slice(1).map((_, layer) => ({ w: data(`w${layer + 1}`), b: data(`b${layer + 1}`) }));
};
