import { describe, expect, it } from 'vitest';
import { channelCount, encodeManifest, isArchivePath, parseManifest, type ReleaseManifest } from './manifest.ts';

const manifest: ReleaseManifest = {
  formatVersion: 1,
  release: 'meter-reader@1.0.0',
  releaseCounter: 1,
  rollbackFloor: 0,
  task: 'classification',
  labels: ['zero', 'one'],
  preprocessing: {
    width: 28,
    height: 28,
    color: 'rgb',
    resize: 'stretch',
    fill: 0,
    layout: 'nchw',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  },
  postprocessing: { activation: 'softmax', confidenceBelow: 0.5 },
  variant: { id: 'onnx-fp32', runtime: 'onnxruntime', format: 'onnx', precision: 'fp32', file: 'model.onnx' },
  acceptance: {
    limits: { minAccuracy: 0.9 },
    samples: [{ file: 'acceptance/a.png', label: 'one' }],
    golden: [{ file: 'acceptance/a.png', output: [0.1, 0.9] }],
  },
};

describe('manifest.json', () => {
  it('comes back, and is the same bytes each time', () => {
    expect(parseManifest(encodeManifest(manifest))).toEqual(manifest);
    expect(encodeManifest(structuredClone(manifest)).equals(encodeManifest(manifest))).toBe(true);
  });

  it.each<[string, (content: ReleaseManifest) => unknown]>([
    ['another format', (m) => ({ ...m, formatVersion: 2 })],
    ['a key that nobody knows', (m) => ({ ...m, more: 1 })],
    ['a label twice', (m) => ({ ...m, labels: ['one', 'one'] })],
    ['a sample of another label', (m) => ({ ...m, labels: ['zero', 'two'] })],
    [
      'golden output of no sample',
      (m) => ({ ...m, acceptance: { ...m.acceptance, golden: [{ file: 'b', output: [1] }] } }),
    ],
    ['means of another colour', (m) => ({ ...m, preprocessing: { ...m.preprocessing, color: 'gray' } })],
    ['a model file outside', (m) => ({ ...m, variant: { ...m.variant, file: '../model.onnx' } })],
    ['a deviation of 0', (m) => ({ ...m, preprocessing: { ...m.preprocessing, std: [1, 0, 1] } })],
  ])('is refused with %s', (_, change) => {
    const bytes = Buffer.from(JSON.stringify(change(manifest)));
    expect(() => parseManifest(bytes)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }));
  });

  it('is refused when it is not JSON', () => {
    expect(() => parseManifest(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'manifest-invalid' }));
  });

  it('has one channel for gray and three for colours', () => {
    expect([channelCount('gray'), channelCount('rgb'), channelCount('bgr')]).toEqual([1, 3, 3]);
  });
});

describe('path in an archive', () => {
  it.each(['a', 'a/b', '.hidden', 'a..b', 'a b', 'é'])('may be %j', (path) => {
    expect(isArchivePath(path)).toBe(true);
  });

  it.each(['', '/', '/a', 'a/', 'a//b', '.', '..', './a', 'a/..', 'a/./b', 'a\\b', 'a\u0000', 'a\n'])(
    'may not be %j',
    (path) => {
      expect(isArchivePath(path)).toBe(false);
    },
  );
});
