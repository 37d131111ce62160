import { parseModelDefinition, type ReleaseManifest } from '@aviary/release';
import { describe, expect, it } from 'vitest';
import { definitionOfManifest } from './definition-of-manifest.ts';

const MANIFEST: ReleaseManifest = {
  formatVersion: 1,
  release: 'meter-reader@1.2.0',
  releaseCounter: 7,
  rollbackFloor: 3,
  description: 'Reads meters',
  task: 'classification',
  labels: ['zero', 'one, or more'],
  preprocessing: {
    width: 4,
    height: 2,
    color: 'rgb',
    resize: 'letterbox',
    fill: 114,
    layout: 'nhwc',
    scale: 1 / 255,
    mean: [0.1, 0.2, 0.3],
    std: [1, 2, 3],
  },
  postprocessing: { activation: 'none', confidenceBelow: 0.6 },
  variant: {
    id: 'small',
    runtime: 'onnxruntime',
    format: 'onnx',
    precision: 'int8',
    file: 'model.onnx',
    providers: ['cpu'],
  },
  acceptance: {
    limits: { minAccuracy: 0.9, goldenTolerance: 0.01 },
    samples: [
      { file: 'acceptance/a.png', label: 'zero' },
      { file: 'acceptance/night/"b".png', label: 'one, or more' },
    ],
    golden: [{ file: 'acceptance/a.png', output: [1, 2] }],
  },
};

describe('what a pulled release can be made of again', () => {
  it('says of the model what its manifest does', () => {
    const definition = parseModelDefinition(definitionOfManifest(MANIFEST).yaml);
    expect(definition).toMatchObject({
      name: 'meter-reader',
      version: '1.2.0',
      description: 'Reads meters',
      labels: 'labels.txt',
      input: MANIFEST.preprocessing,
      output: MANIFEST.postprocessing,
      variants: [MANIFEST.variant],
      acceptance: { samples: 'acceptance', goldenSamples: 1, limits: MANIFEST.acceptance.limits },
    });
    // Counted up anew, where it is published.
    expect(definition).not.toHaveProperty('releaseCounter');
    expect(definition).not.toHaveProperty('rollbackFloor');
  });

  it('lists the acceptance pictures with their labels', () => {
    expect(definitionOfManifest(MANIFEST).samples).toBe('file,label\na.png,zero\n"night/""b"".png","one, or more"\n');
  });
});
