export { toFloat16Weights } from './float16-weights.ts';
export { type Attribute, type ElementType, GraphBuilder, type Shape } from './graph-builder.ts';
export { fromHalf, toHalf } from './half.ts';
export { findHead, type Head, HeadNotFoundError } from './head.ts';
export { backboneBytes, headLength, readHead, withFeaturesOutput, withHead } from './head-values.ts';
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
