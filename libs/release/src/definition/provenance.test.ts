import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseModelDefinition } from './model-definition.ts';
import { readProvenance } from './provenance.ts';

// Signed by Python's cryptography, after the specifications alone.
const FIXTURES = fileURLToPath(new URL('../../../../test/fixtures/oms/', import.meta.url));
const YAML = `name: grey
version: 1.0.0
task: classification
labels: labels.txt
input: { width: 2, height: 2, color: gray, layout: flat }
variants: [{ file: model.onnx }]
acceptance: { samples: suite }
`;

describe.each(['p256', 'p384'])('a folder that a key on %s has signed first', (curve) => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'aviary-provenance-'));
    await cp(join(FIXTURES, curve), directory, { recursive: true });
    await mkdir(join(directory, 'provenance'));
    await rename(join(directory, 'model.sig'), join(directory, 'provenance', 'model.sig'));
    await cp(join(FIXTURES, `${curve}.pem`), join(directory, 'provenance', 'signer.pem'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const put = (path: string, content: string | Buffer) => writeFile(join(directory, path), content);
  const read = (changed = '', variants = '') =>
    readProvenance(
      directory,
      parseModelDefinition(`${variants === '' ? YAML : YAML.replace('[{ file: model.onnx }]', variants)}${changed}`),
    );
  const stating = (changes: string) => `provenance: { changed: { ${changes} } }\n`;

  it('is known, with its signer, and what goes into the archives', async () => {
    const provenance = await read();
    expect(provenance?.signed.name).toBe(curve);
    expect(provenance?.signed.files.map(({ name }) => name)).toEqual(['docs/README.md', 'labels.txt', 'model.onnx']);
    expect([...(provenance?.files.keys() ?? [])]).toEqual(['provenance/model.sig', 'provenance/signer.pem']);
    expect(provenance?.files.get('provenance/model.sig')).toEqual(await readFile(join(FIXTURES, curve, 'model.sig')));
  });

  it('may get files of its own beside it, and another model.yaml', async () => {
    await put('notes.txt', 'mine');
    await put('model.yaml', YAML);
    expect((await read())?.changed).toEqual({});
  });

  it('is refused when files were changed or are missing, all of them named at once', async () => {
    await put('model.onnx', 'other');
    await rm(join(directory, 'docs'), { recursive: true });
    const error: unknown = await read().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'provenance-unstated' });
    expect((error as Error).message).toContain('docs/README.md is missing, model.onnx was changed');
    expect((error as Error).message).toContain('provenance: { changed:');
    await expect(read(stating('model.onnx: quantised'))).rejects.toThrow('docs/README.md is missing.');
  });

  it('is taken when what was changed is stated, and then says so in the archive', async () => {
    await put('model.onnx', 'other');
    const provenance = await read(stating('model.onnx: quantised to int8'));
    expect(provenance?.changed).toEqual({ 'model.onnx': 'quantised to int8' });
    expect(JSON.parse(provenance?.files.get('provenance/changes.json')?.toString() ?? '')).toEqual({
      changed: { 'model.onnx': 'quantised to int8' },
    });
  });

  it('wants a word for a variant that nobody has signed', async () => {
    await put('int8.onnx', 'small');
    const both = '[{ file: model.onnx }, { file: int8.onnx, precision: int8 }]';
    await expect(read('', both)).rejects.toThrow('int8.onnx was added');
    expect((await read(stating('int8.onnx: model.onnx in int8'), both))?.changed).toHaveProperty(['int8.onnx']);
  });

  it('is refused when a change is stated that is none', async () => {
    await expect(read(stating('labels.txt: translated'))).rejects.toThrow('labels.txt is as it was signed');
  });

  it('is refused with half a provenance, a changed one, another key, or without the one that it speaks of', async () => {
    const bundle = await readFile(join(directory, 'provenance', 'model.sig'), 'utf8');
    const { dsseEnvelope, ...rest } = JSON.parse(bundle);
    const payload = Buffer.from(dsseEnvelope.payload, 'base64').toString().replace('labels.txt', 'labels.csv');
    const changed = { ...rest, dsseEnvelope: { ...dsseEnvelope, payload: Buffer.from(payload).toString('base64') } };
    await put('provenance/model.sig', JSON.stringify(changed));
    await expect(read()).rejects.toMatchObject({
      code: 'provenance-invalid',
      message: expect.stringContaining('signer.pem'),
    });
    await put('provenance/model.sig', bundle);
    await cp(join(FIXTURES, `${curve === 'p256' ? 'p384' : 'p256'}.pem`), join(directory, 'provenance', 'signer.pem'));
    await expect(read()).rejects.toMatchObject({ code: 'provenance-invalid' });
    await put('provenance/signer.pem', 'no key');
    await expect(read()).rejects.toMatchObject({ code: 'provenance-invalid' });
    await rm(join(directory, 'provenance', 'signer.pem'));
    await expect(read()).rejects.toThrow('Expected provenance/signer.pem');
    await rm(join(directory, 'provenance'), { recursive: true });
    expect(await read()).toBeUndefined();
    await expect(read(stating('model.onnx: quantised'))).rejects.toThrow('there is no provenance/model.sig');
  });
});
