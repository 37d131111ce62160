import { describe, expect, it } from 'vitest';
import { encodeManifest, isArchivePath, modelsOf, parseManifest, type ReleaseManifest } from './manifest.ts';
import { channelCount } from './processing.ts';

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

const withGolden = (m: ReleaseManifest, model: string) => ({
  ...m,
  acceptance: { ...m.acceptance, golden: [{ file: 'acceptance/a.png', model, output: [1] }] },
});

/** A detector, and a classifier of what it finds. */
const composed = (): ReleaseManifest => {
  const { preprocessing, postprocessing, ...rest } = manifest;
  if (preprocessing === undefined || postprocessing === undefined) throw new TypeError('expected one model');
  const find = { id: 'find', task: 'detection' as const, labels: ['meter'], file: 'models/find.onnx' };
  const read = { id: 'read', task: 'classification' as const, labels: rest.labels, file: 'models/read.onnx' };
  return {
    ...rest,
    models: [
      { ...find, preprocessing, postprocessing: { activation: 'none', confidenceBelow: 0.5, decoder: 'yolov8' } },
      { ...read, preprocessing, postprocessing },
    ],
    cascade: [{ model: 'find' }, { model: 'read', margin: 0.1, only: ['meter'] }],
    variant: { ...rest.variant, file: 'models/find.onnx' },
    acceptance: {
      ...rest.acceptance,
      samples: [{ file: 'acceptance/a.png', label: '1 zero; 2 one' }],
      golden: [{ file: 'acceptance/a.png', model: 'read', every: 2, output: [1] }],
    },
  };
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
    ['one label', (m) => ({ ...m, labels: ['one'] })],
    ['a detector without a decoder', (m) => ({ ...m, task: 'detection' })],
    ['labels of an embedding', (m) => ({ ...m, task: 'embedding' })],
    ['no pre-processing', ({ preprocessing: _, ...m }) => m],
    ['a cascade of nothing', (m) => ({ ...m, cascade: [{ model: 'a' }, { model: 'b' }] })],
    [
      'a region beyond the frame',
      (m) => ({ ...m, preprocessing: { ...m.preprocessing, region: { left: 0.5, top: 0, width: 0.6, height: 1 } } }),
    ],
    ['golden output of a model that there is not', (m) => withGolden(m, 'b')],
  ])('is refused with %s', (_, change) => {
    const bytes = Buffer.from(JSON.stringify(change(manifest)));
    expect(() => parseManifest(bytes)).toThrow(expect.objectContaining({ code: 'manifest-invalid' }));
  });

  it('has one model, or several with ids', () => {
    expect(modelsOf(manifest)).toMatchObject([{ id: 'model', task: 'classification', file: 'model.onnx' }]);
    const several = composed();
    expect(parseManifest(encodeManifest(several))).toEqual(several);
    expect(modelsOf(several).map(({ id, file }) => [id, file])).toEqual([
      ['find', 'models/find.onnx'],
      ['read', 'models/read.onnx'],
    ]);
  });

  it.each<[string, (content: ReleaseManifest) => unknown]>([
    ['neither ensemble nor cascade', ({ cascade: _, ...m }) => m],
    ['both', (m) => ({ ...m, ensemble: 'mean' })],
    ['an ensemble of other tasks', ({ cascade: _, ...m }) => ({ ...m, ensemble: 'vote' })],
    ['a stage too few', (m) => ({ ...m, models: [...(m.models ?? []), { ...m.models?.[1], id: 'more' }] })],
    ['stages in another order', (m) => ({ ...m, cascade: m.cascade?.toReversed() })],
    ['a stage of no model', (m) => ({ ...m, cascade: [{ model: 'find' }, { model: 'none' }] })],
    [
      'turns by labels that it does not say',
      (m) => ({ ...m, cascade: [{ model: 'find' }, { model: 'read', turns: { x: 90 } }] }),
    ],
    ['objects that are never found', (m) => ({ ...m, cascade: [{ model: 'find' }, { model: 'read', only: ['x'] }] })],
    ['pre-processing beside models', (m) => ({ ...m, preprocessing: manifest.preprocessing })],
    ['another task than that of its last stage', (m) => ({ ...m, task: 'embedding', labels: [] })],
    ['a truth that no answer can be', (m) => ({ ...m, acceptance: manifest.acceptance })],
    ['golden output of a model that there is not', (m) => withGolden(m, 'b')],
  ])('is refused, of several models, with %s', (_, change) => {
    const bytes = Buffer.from(JSON.stringify(change(composed())));
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
