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

/** A detector, and a reader of what it finds. */
const composed = (): ReleaseManifest => {
  const { preprocessing, postprocessing, ...rest } = MANIFEST;
  if (preprocessing === undefined || postprocessing === undefined) throw new TypeError('expected one model');
  return {
    ...rest,
    task: 'text',
    labels: ['a', '\u3000'],
    models: [
      {
        id: 'find',
        task: 'detection',
        labels: ['meter'],
        preprocessing,
        postprocessing: { activation: 'none', confidenceBelow: 0.5, decoder: 'yolov8', scoreThreshold: 0.3 },
        file: 'models/find.onnx',
      },
      {
        id: 'read',
        task: 'text',
        labels: ['a', '\u3000'],
        preprocessing: { ...preprocessing, resize: 'fixed-height', multipleOf: 8 },
        postprocessing: { activation: 'none', confidenceBelow: 0.5, blank: 'first', space: true },
        file: 'models/read.onnx',
      },
    ],
    cascade: [{ model: 'find' }, { model: 'read', margin: 0.1 }],
    variant: { ...rest.variant, file: 'models/find.onnx' },
    acceptance: { ...rest.acceptance, golden: [] },
  };
};

describe('what a pulled release can be made of again', () => {
  it('says of several models what the manifest does', () => {
    const manifest = composed();
    const definition = parseModelDefinition(definitionOfManifest(manifest).yaml);
    expect(definition).toMatchObject({
      task: 'text',
      models: manifest.models?.map(({ id, task, labels, preprocessing, postprocessing }) => {
        return { id, task, labels, input: preprocessing, output: postprocessing };
      }),
      cascade: manifest.cascade,
      variants: [{ files: { find: 'models/find.onnx', read: 'models/read.onnx' } }],
    });
  });

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
