import { createHash } from 'node:crypto';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { describe, expect, it } from 'vitest';
import { encodeManifest } from '../archive/manifest.ts';
import { METER_READER, METER_READER_LINEAGE } from '../testing/meter-reader.ts';
import { encodeModelBom } from './model-bom.ts';
import { parseModelDefinition } from './model-definition.ts';
import { licenceKind } from './model-origin.ts';
import type { Provenance } from './provenance.ts';

const YAML = `name: meter-reader
version: 1.0.0
task: classification
labels: [zero, one]
input: { width: 4, height: 2, color: gray }
variants: [{ file: models/m.onnx }]
acceptance: { samples: suite, minAccuracy: 0.5 }
`;
const ORIGIN = `license: Apache-2.0 OR MIT
authors: [Vision team, "Ada Example <ada@example.org>"]
datasets: [digits, { name: meters, url: https://example.org/meters, description: Photographs of meters. }]
sources: [https://example.org/meter-reader.git, https://example.org/paper]
`;
const SIGNATURE = Buffer.from('bundle');
const PROVENANCE: Provenance = {
  signed: { name: 'meters', rootDigest: 'd'.repeat(64), keyId: 'e'.repeat(64), files: [] },
  changed: { 'models/m.onnx': 'quantised to int8' },
  files: new Map([['provenance/model.sig', SIGNATURE]]),
};
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const encode = (more = '', change: Partial<Parameters<typeof encodeModelBom>[0]> = {}, model = 'weights') => {
  const files = new Map<string, Uint8Array>([
    ['model.onnx', Buffer.from(model)],
    ['labels.txt', Buffer.from('zero\none\n')],
    ['manifest.json', encodeManifest(METER_READER)],
    ['acceptance/a.png', Buffer.from('picture')],
  ]);
  const definition = parseModelDefinition(YAML + more);
  return encodeModelBom({ definition, manifest: METER_READER, files, sourceFile: 'models/m.onnx', ...change });
};
const bomOf = (...parameters: Parameters<typeof encode>) => JSON.parse(encode(...parameters).toString());

describe('the bill of materials', () => {
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

  it.each<[string, Parameters<typeof encode>]>([
    ['nothing more', []],
    ['all that model.yaml can say', [ORIGIN]],
    ['a licence of the list', ['license: Apache-2.0\n']],
    ['a licence of no list', ['license: Only for birds\n']],
    ['a lineage', ['', { lineage: METER_READER_LINEAGE }]],
    ['a provenance', [ORIGIN, { lineage: METER_READER_LINEAGE, provenance: PROVENANCE }]],
  ])('is CycloneDX 1.6 by its own schema, with %s', async (_, parameters) => {
    expect(await validator.validate(encode(...parameters).toString())).toBeNull();
  });

  it('is judged by a schema that does refuse', async () => {
    const { metadata, ...rest } = bomOf();
    const wrong = { ...metadata, component: { ...metadata.component, type: 'model' } };
    expect(await validator.validate(JSON.stringify({ ...rest, metadata: wrong }))).not.toBeNull();
    const card = { ...metadata.component.modelCard, modelParameters: { task: 1 } };
    const component = { ...metadata.component, modelCard: card };
    expect(await validator.validate(JSON.stringify({ ...rest, metadata: { ...metadata, component } }))).not.toBeNull();
  });

  it('says what the model is, what goes in, what comes out, and what each file is', () => {
    const { metadata, components, dependencies } = bomOf(ORIGIN);
    expect(metadata.component).toMatchObject({
      type: 'machine-learning-model',
      name: 'meter-reader',
      version: '1.0.0',
      hashes: [{ alg: 'SHA-256', content: sha256(Buffer.from('weights')) }],
      licenses: [{ expression: 'Apache-2.0 OR MIT' }],
      authors: [{ name: 'Vision team' }, { name: 'Ada Example', email: 'ada@example.org' }],
      externalReferences: [
        { url: 'https://example.org/meter-reader.git', type: 'vcs' },
        { url: 'https://example.org/paper', type: 'website' },
      ],
      modelCard: {
        modelParameters: {
          task: 'classification',
          datasets: [
            { type: 'dataset', name: 'digits' },
            { name: 'meters', contents: { url: 'https://example.org/meters' } },
          ],
          inputs: [{ format: expect.stringContaining('4 × 2 pixels, gray, as a float tensor [1,1,2,4] (nchw') }],
          outputs: [{ format: expect.stringContaining('2 labels') }],
        },
      },
    });
    expect(metadata.component.properties).toContainEqual({ name: 'aviary:sourceFile', value: 'models/m.onnx' });
    expect(components.map(({ name, hashes }: { name: string; hashes: unknown }) => [name, hashes])).toEqual([
      ['labels.txt', [{ alg: 'SHA-256', content: sha256(Buffer.from('zero\none\n')) }]],
      ['manifest.json', [{ alg: 'SHA-256', content: sha256(encodeManifest(METER_READER)) }]],
    ]);
    expect(dependencies).toEqual([{ ref: 'model', dependsOn: ['file:labels.txt', 'file:manifest.json'] }]);
  });

  it('tells where it comes from: the round, and who signed it first', () => {
    const { component } = bomOf('', { lineage: METER_READER_LINEAGE, provenance: PROVENANCE }).metadata;
    expect(component.pedigree.ancestors).toMatchObject([
      { name: 'meter-reader', version: '0.9.0' },
      { name: 'meters', hashes: [{ content: 'd'.repeat(64) }] },
    ]);
    expect(component.pedigree.notes).toContain(
      `federated round ${METER_READER_LINEAGE.round}: 4 devices, 200 labelled samples`,
    );
    expect(component.pedigree.notes).toContain('models/m.onnx: quantised to int8.');
    expect(component.externalReferences).toMatchObject([
      { type: 'attestation', url: 'provenance/model.sig', hashes: [{ content: sha256(SIGNATURE) }] },
    ]);
    expect(component.externalReferences[0].comment).toContain('e'.repeat(64));
  });

  it('is the same for the same files, whenever it is made, and another one for others', () => {
    expect(encode(ORIGIN)).toEqual(encode(ORIGIN));
    expect(bomOf().serialNumber).not.toBe(bomOf('', {}, 'other weights').serialNumber);
    expect(bomOf().serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(encode().toString()).not.toMatch(/timestamp/);
  });
});

describe('licenceKind', () => {
  it.each([
    ['Apache-2.0', 'id'],
    ['CC-BY-4.0', 'id'],
    ['GPL-2.0+', 'expression'],
    ['Apache-2.0 WITH LLVM-exception', 'expression'],
    ['MIT OR Apache-2.0', 'expression'],
    ['LicenseRef-own', 'expression'],
    ['Proprietary', 'name'],
    ['apache 2', 'name'],
  ])('%s is an SPDX %s', (text, kind) => {
    expect(licenceKind(text)).toBe(kind);
  });
});
