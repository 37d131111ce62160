import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ReleaseManifest } from '../archive/manifest.ts';
import { METER_READER } from '../testing/meter-reader.ts';
import { encodeModelBom } from './model-bom.ts';
import { verifyModelBom } from './model-bom-check.ts';
import { parseModelDefinition } from './model-definition.ts';

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
const bom = encodeModelBom({ definition, manifest: METER_READER, files, sourceFile: 'models/m.onnx' });

describe('a bill of materials', () => {
  it('is held against the files that it lists', () => {
    expect(verifyModelBom(bom, METER_READER, digestsOf(files))).toEqual({ specVersion: '1.6', files: 2 });
  });

  it.each<[string, Uint8Array, ReleaseManifest, Map<string, string>, string]>([
    ['that is no JSON', Buffer.from('x'), METER_READER, digestsOf(files), 'not JSON'],
    ['of another kind', Buffer.from('{"bomFormat":"SPDX"}'), METER_READER, digestsOf(files), 'no CycloneDX bill'],
    [
      'of another release',
      bom,
      { ...METER_READER, release: 'meter-reader@1.0.1' },
      digestsOf(files),
      'expected a bom.cdx',
    ],
    [
      'of another model file',
      bom,
      METER_READER,
      digestsOf(new Map([...files, ['model.onnx', Buffer.from('evil')]])),
      'lists model.onnx with SHA-256',
    ],
    [
      'that lists a file that is not there',
      bom,
      METER_READER,
      digestsOf(new Map([...files].filter(([name]) => name !== 'labels.txt'))),
      'which is not there',
    ],
  ])('%s is refused', (_, bytes, manifest, digests, words) => {
    expect(() => verifyModelBom(bytes, manifest, digests)).toThrow(
      expect.objectContaining({ code: 'bom-invalid', message: expect.stringContaining(words) }),
    );
  });
});
