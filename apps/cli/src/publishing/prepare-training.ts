import { buildMlpTrainingStep, HeadNotFoundError, writeModel } from '@aviary/onnx';
import type { PrepareTraining } from '@aviary/release';
import { readTrainableHead, type TrainableHead } from './trainable-head.ts';

/** Gives a variant what a device needs to train its head. A quantised head has no values that training could change. */
export const prepareTraining: PrepareTraining = ({ variant, bytes, head: node }) => {
  let trainable: TrainableHead;
  try {
    trainable = readTrainableHead(bytes, node);
  } catch (error) {
    if (error instanceof HeadNotFoundError && variant.precision === 'int8') return undefined;
    throw error;
  }
  const { served, head, backbone, base } = trainable;
  const { featuresOutput, features, classes, weights, bias, transposed } = head;
  return {
    model: writeModel(served),
    training: { featuresOutput, features, classes, weights, bias, transposed, backbone, base },
    step: buildMlpTrainingStep([features, classes]).model,
  };
};
