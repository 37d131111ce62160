import type { ReleaseManifest } from '../archive/manifest.ts';
import type { Lineage, ReleaseTarget } from '../documents/release-statement.ts';

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

/** The variant for ONNX Runtime of its next release, as the publisher states it; no such bytes are there. */
export const METER_READER_TARGET: ReleaseTarget = {
  path: 'meter-reader/1.1.0/onnx-fp32.age-payload',
  variant: 'onnx-fp32',
  runtime: 'onnxruntime',
  format: 'onnx',
  precision: 'fp32',
  profiles: ['rpi4', 'rpi5'],
  length: 1056,
  sha256: 'a'.repeat(64),
  plaintextSha256: 'b'.repeat(64),
  plaintextLength: 1024,
  omsSha256: 'c'.repeat(64),
};

/** What a round says that improved the release before it. */
export const METER_READER_LINEAGE: Lineage = {
  parent: 'meter-reader@0.9.0',
  round: '6f1c2a34-0000-4000-8000-000000000001',
  updateSha256: 'c'.repeat(64),
  devices: 4,
  samples: 200,
};
