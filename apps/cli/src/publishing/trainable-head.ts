import { createHash } from 'node:crypto';
import { encodeHead } from '@aviary/federation';
import {
  backboneBytes,
  findHead,
  type Head,
  type OnnxModel,
  readHead,
  readModel,
  withFeaturesOutput,
} from '@aviary/onnx';

/** A model that can be trained, as it lies in a release's archive. */
export interface TrainableHead {
  /** With the head's input as a further output. */
  readonly served: OnnxModel;
  readonly head: Head;
  /** Weights `[features × classes]` row by row, then biases. */
  readonly values: Float32Array;
  /** SHA-256 of the served file without the head's values. */
  readonly backbone: string;
  /** SHA-256 of the values as they travel: 32-bit floats, little endian. */
  readonly base: string;
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * Finds the head of a model file, and names it and what lies before it as a federated round does.
 * @param node name of the head's node; absent: the last fully connected layer
 * @throws NotAnOnnxModelError, HeadNotFoundError
 */
export const readTrainableHead = (file: Uint8Array, node?: string): TrainableHead => {
  const model = readModel(file);
  const head = findHead(model, node);
  const served = withFeaturesOutput(model, head);
  const values = readHead(served, head);
  return {
    served,
    head,
    values,
    backbone: sha256Of(backboneBytes(served, head)),
    base: sha256Of(encodeHead(values)),
  };
};
