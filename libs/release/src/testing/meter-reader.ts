import type { ReleaseManifest } from '../archive/manifest.ts';

/** Of a small classifier, valid as it is. */
export const METER_READER: ReleaseManifest = {
  formatVersion: 1,
  release: 'meter-reader@1.0.0',
  releaseCounter: 3,
  rollbackFloor: 0,
  task: 'classification',
  labels: ['zero', 'one'],
  preprocessing: {
    width: 4,
    height: 2,
    color: 'gray',
    resize: 'stretch',
    fill: 0,
    layout: 'nchw',
    scale: 1 / 255,
    mean: [0],
    std: [1],
  },
  postprocessing: { activation: 'softmax', confidenceBelow: 0.5 },
  variant: { id: 'onnx-fp32', runtime: 'onnxruntime', format: 'onnx', precision: 'fp32', file: 'model.onnx' },
  acceptance: { limits: { minAccuracy: 0.5 }, samples: [{ file: 'acceptance/a.png', label: 'one' }], golden: [] },
};
