import type { Preprocessing, ReleaseManifest } from '@aviary/release';

/** Gray pixels as values from 0 to 1, `[1,1,height,width]`. */
export const grayInput = (width: number, height: number, change: Partial<Preprocessing> = {}): Preprocessing => ({
  width,
  height,
  color: 'gray',
  resize: 'stretch',
  fill: 0,
  layout: 'nchw',
  scale: 1 / 255,
  mean: [0],
  std: [1],
  ...change,
});

/** One ONNX file, for ONNX Runtime. */
export const LIGHT_VARIANT: ReleaseManifest['variant'] = {
  id: 'onnx-fp32',
  runtime: 'onnxruntime',
  format: 'onnx',
  precision: 'fp32',
  file: 'model.onnx',
};

/** A classifier of pictures of 2 × 2 pixels as `light` or `dark`, with all but its acceptance suite. */
export const LIGHT_MANIFEST: Omit<ReleaseManifest, 'acceptance'> = {
  formatVersion: 1,
  release: 'light-reader@1.0.0',
  releaseCounter: 1,
  rollbackFloor: 0,
  task: 'classification',
  labels: ['dark', 'light'],
  preprocessing: grayInput(2, 2, { layout: 'flat' }),
  postprocessing: { activation: 'softmax', confidenceBelow: 0.7 },
  variant: LIGHT_VARIANT,
};
