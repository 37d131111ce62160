import type { HeadShape, RoundTraining } from '@aviary/federation';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { sampleOrder } from './sample-order.ts';
import type { LabelledFeatures } from './samples-body.ts';

/** The numbers of a head ran away. */
export class DivergedError extends Error {
  readonly code = 'training-diverged';
}

export interface TrainOptions {
  /** The release's graph of one step. */
  readonly stepFile: string;
  readonly shape: HeadShape;
  readonly how: RoundTraining;
  readonly round: string;
  /** Called before each step; what it throws ends the training. */
  readonly onStep?: () => void;
}

/**
 * Trains a head by stochastic gradient descent with the release's own step graph, one thread, so that the same samples
 * and the same round give the same bits. The last batch of an epoch may be smaller.
 * @returns the new head, as long as the one it began with
 * @throws DivergedError; what ONNX Runtime throws
 */
export const trainHead = async (
  samples: LabelledFeatures,
  base: Float32Array,
  { stepFile, shape, how, round, onStep }: TrainOptions,
): Promise<Float32Array> => {
  const { features, classes } = shape;
  const session = await InferenceSession.create(stepFile, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
  });
  const rate = new Tensor('float32', Float32Array.of(how.learningRate), []);
  const next = base.slice();
  const weights = next.subarray(0, features * classes);
  const biases = next.subarray(features * classes);
  try {
    for (let epoch = 0; epoch < how.epochs; epoch += 1) {
      const order = sampleOrder(samples.labels.length, how.seed, round, epoch);
      for (let start = 0; start < order.length; start += how.batchSize) {
        onStep?.();
        const batch = gather(samples, order.subarray(start, start + how.batchSize), features);
        const outputs = await session.run(
          {
            ...batch,
            learning_rate: rate,
            w1: new Tensor('float32', weights, [features, classes]),
            b1: new Tensor('float32', biases, [classes]),
          },
          ['w1_next', 'b1_next'],
        );
        weights.set(floatsOf(outputs.w1_next));
        biases.set(floatsOf(outputs.b1_next));
      }
    }
  } finally {
    await session.release();
  }
  if (next.every(Number.isFinite)) return next;
  throw new DivergedError(
    `Expected finite weights after training, but they ran away. A learning rate under ${how.learningRate} may help.`,
  );
};

const gather = ({ labels, features: rows }: LabelledFeatures, chosen: Uint32Array, features: number) => {
  const values = new Float32Array(chosen.length * features);
  chosen.forEach((sample, row) => {
    values.set(rows.subarray(sample * features, (sample + 1) * features), row * features);
  });
  const answers = BigInt64Array.from(chosen, (sample) => BigInt(labels[sample] ?? 0));
  return {
    features: new Tensor('float32', values, [chosen.length, features]),
    labels: new Tensor('int64', answers, [chosen.length]),
    sample_weights: new Tensor('float32', new Float32Array(chosen.length).fill(1), [chosen.length]),
  };
};

const floatsOf = (tensor: InferenceSession.OnnxValueMapType[string] | undefined): Float32Array => {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new Error('expected float32 values as w1_next and b1_next of the step graph; publish the release anew');
};
