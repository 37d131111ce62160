import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ReleaseManifest } from '../archive/manifest.ts';
import { encodeModelBom } from './model-bom.ts';
import { verifyModelBom } from './model-bom-check.ts';
import { parseModelDefinition } from './model-definition.ts';

const MANIFEST: ReleaseManifest = {
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
  acceptance: { limits: {}, samples: [{ file: 'acceptance/a.png', label: 'one' }], golden: [] },
};
const definition = parseModelDefinition(`name: meter-reader
version: 1.0.0
task: classification
labels: [zero, one]
input: { width: 4, height: 2, color: gray }
variants: [{ file: models/m.onnx }]
acceptance: { samples: suite }
`);
const files = new Map<string, Uint8Array>([
  ['model.onnx', Buffer.from('weights')],
  ['labels.txt', Buffer.from('zero\none\n')],
  ['acceptance/a.png', Buffer.from('picture')],
]);
const digestsOf = (all: ReadonlyMap<string, Uint8Array>) =>
  new Map([...all].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]));
const bom = encodeModelBom({ definition, manifest: MANIFEST, files, sourceFile: 'models/m.onnx' });

describe('a bill of materials', () => {
  it('is held against the files that it lists', () => {
    expect(verifyModelBom(bom, MANIFEST, digestsOf(files))).toEqual({ specVersion: '1.6', files: 2 });
  });

  it.each<[string, Uint8Array, ReleaseManifest, Map<string, string>, string]>([
    ['that is no JSON', Buffer.from('x'), MANIFEST, digestsOf(files), 'not JSON'],
    ['of another kind', Buffer.from('{"bomFormat":"SPDX"}'), MANIFEST, digestsOf(files), 'no CycloneDX bill'],
    ['of another release', bom, { ...MANIFEST, release: 'meter-reader@1.0.1' }, digestsOf(files), 'expected a bom.cdx'],
    [
      'of another model file',
      bom,
      MANIFEST,
      digestsOf(new Map([...files, ['model.onnx', Buffer.from('evil')]])),
      'lists model.onnx with SHA-256',
    ],
    [
      'that lists a file that is not there',
      bom,
      MANIFEST,
      digestsOf(new Map([...files].filter(([name]) => name !== 'labels.txt'))),
      'which is not there',
    ],
  ])('%s is refused', (_, bytes, manifest, digests, words) => {
    expect(() => verifyModelBom(bytes, manifest, digests)).toThrow(
      expect.objectContaining({ code: 'bom-invalid', message: expect.stringContaining(words) }),
    );
  });
});
