export { toFloat16Weights, toHalf } from './float16-weights.ts';
export { type Attribute, type ElementType, GraphBuilder, type Shape } from './graph-builder.ts';
export { addDenseLayers, buildMlp, type DenseLayer } from './mlp.ts';
export {
  describeModel,
  type ModelDescription,
  NotAnOnnxModelError,
  type OnnxModel,
  readModel,
  type ValueDescription,
  writeModel,
} from './model.ts';
export { buildMlpTrainingStep, type TrainingStep } from './training-step.ts';
