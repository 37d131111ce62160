import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Decrypter } from 'age-encryption';
import { describe, expect, it } from 'vitest';
import { openHeader } from '../age/age-header.ts';
import { openPayload } from '../age/age-payload.ts';
import { parseManifest } from '../archive/manifest.ts';
import { verifyModel } from '../archive/oms.ts';
import { readArchive } from '../archive/variant-archive.ts';
import { METER_READER_FILES, METER_READER_YAML, modelFolder } from '../testing/model-folder.ts';
import { type BuildReleaseOptions, buildRelease } from './release-builder.ts';

const model = modelFolder(METER_READER_YAML, METER_READER_FILES);
const { signer, identity, build, expectRefused } = model;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('release', () => {
  it('is a signed statement over sealed, signed archives', async () => {
    const built = await build();
    const { statement } = built;
    expect(statement).toEqual(built.statement);
    expect(statement).toMatchObject({
      release: 'meter-reader@1.0.0',
      releaseCounter: 4,
      rollbackFloor: 2,
      minAgent: '0.1.0',
      issuedAt: 1_700_000_000_000,
    });
    expect(statement.targets.map(({ path }) => path)).toEqual([
      'meter-reader/1.0.0/onnx-fp32.age-payload',
      'meter-reader/1.0.0/tflite-int8.age-payload',
    ]);
    expect(statement.targets[1]?.requires).toEqual({ arch: ['arm64'] });
    expect(await readdir(model.outputDirectory)).toHaveLength(2);

    for (const { target, payloadFile, ageHeader } of built.variants) {
      const sealed = await readFile(payloadFile);
      expect({ length: sealed.length, sha256: sha256(sealed) }).toEqual({
        length: target.length,
        sha256: target.sha256,
      });
      const plain: Buffer[] = [];
      for await (const part of openPayload(openHeader(ageHeader, identity), [sealed])) plain.push(part);
      const tar = Buffer.concat(plain);
      expect({ plaintextLength: tar.length, plaintextSha256: sha256(tar) }).toEqual({
        plaintextLength: target.plaintextLength,
        plaintextSha256: target.plaintextSha256,
      });
      const files = await readArchive(tar);
      const signature = files.get('model.sig') ?? Buffer.alloc(0);
      expect(sha256(signature)).toBe(target.omsSha256);
      expect(verifyModel(signature, files, [signer.publicKeyPem]).name).toBe('meter-reader');
    }
  });

  it('holds in each archive all that a device needs', async () => {
    const [first] = (await build()).variants;
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const file = Buffer.concat([first?.ageHeader ?? Buffer.alloc(0), await readFile(first?.payloadFile ?? '')]);
    const files = await readArchive(await decrypter.decrypt(file));
    expect([...files.keys()]).toEqual([
      'acceptance/a,1.png',
      'acceptance/more/b.png',
      'bom.cdx.json',
      'labels.txt',
      'manifest.json',
      'model.onnx',
      'model.sig',
    ]);
    expect(files.get('labels.txt')?.toString()).toBe('zero\none\n');
    expect(parseManifest(files.get('manifest.json') ?? Buffer.alloc(0))).toEqual({
      formatVersion: 1,
      release: 'meter-reader@1.0.0',
      releaseCounter: 4,
      rollbackFloor: 2,
      description: 'Reads digits.',
      task: 'classification',
      labels: ['zero', 'one'],
      preprocessing: {
        width: 2,
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
      acceptance: {
        limits: { goldenTolerance: 0.01, minAccuracy: 0.5 },
        samples: [
          { file: 'acceptance/a,1.png', label: 'one' },
          { file: 'acceptance/more/b.png', label: 'zero' },
        ],
        golden: [{ file: 'acceptance/a,1.png', output: [0.25, 0.75] }],
      },
    });
  });

  it('seals each variant under a key of its own, and anew each time', async () => {
    const one = await build();
    const two = await build({ outputDirectory: join(model.folder, 'again') });
    const keys = [...one.variants, ...two.variants].map(({ ageHeader }) =>
      openHeader(ageHeader, identity).toString('hex'),
    );
    expect(new Set(keys).size).toBe(4);
  });

  it('says how far it is', async () => {
    const built = await build();
    expect(model.progress.map(({ step, variant }) => `${step} ${variant}`)).toEqual([
      'inspect onnx-fp32',
      'inspect tflite-int8',
      'golden onnx-fp32',
      'pack onnx-fp32',
      'seal onnx-fp32',
      'sealed onnx-fp32',
      'golden tflite-int8',
      'golden-skipped tflite-int8',
      'pack tflite-int8',
      'seal tflite-int8',
      'sealed tflite-int8',
    ]);
    expect(model.progress[5]?.bytes).toBe(built.variants[0]?.target.length);
  });

  it('gives the inspector each model with its labels', async () => {
    const seen: string[] = [];
    await build({
      profilesFor: () => ['rpi5'],
      inspectModel: ({ variant, bytes, labels }) => void seen.push(`${variant.id} ${bytes.length} ${labels}`),
    });
    expect(seen).toEqual(['onnx-fp32 100000 zero,one', 'tflite-int8 6 zero,one']);
  });
});

describe('what is no release', () => {
  it('refuses a model that the inspector refuses, before anything is written', async () => {
    await expectRefused('model-invalid', 'model.onnx (variant onnx-fp32): not an ONNX model', {
      profilesFor: () => ['rpi5'],
      inspectModel: () => {
        throw new Error('not an ONNX model');
      },
    });
    expect(existsSync(join(model.folder, 'out'))).toBe(false);
  });

  it.each<[string, BuildReleaseOptions['runModel'], string]>([
    ['does not run', () => Promise.reject(new Error('bad node')), 'does not run: bad node'],
    ['answers with other labels', async () => [[1]], 'expected 2 finite values, one per label, got 1'],
    ['answers with no numbers', async () => [[Number.NaN, 1]], 'finite'],
    ['answers not at all', async () => [], 'got no'],
  ])('refuses a model that %s', async (_, runModel, message) => {
    await expectRefused('golden-failed', message, runModel ? { runModel } : {});
  });

  it('leaves nothing when a later variant fails', async () => {
    await expectRefused('golden-failed', 'tflite-int8', {
      runModel: async ({ manifest, samples }) => {
        if (manifest.variant.id === 'tflite-int8') throw new Error('no runtime');
        return samples.map(() => [0, 1]);
      },
    });
    expect(model.progress.some(({ step }) => step === 'sealed')).toBe(true);
  });

  it('refuses a floor above its own counter, and leaves nothing', async () => {
    await expect(build({ rollbackFloor: 5 })).rejects.toThrow('may not forbid itself');
    expect(existsSync(model.outputDirectory)).toBe(false);
  });

  it('refuses a golden tolerance that nothing can measure', async () => {
    const { runModel: _, ...options } = model.options();
    await expect(buildRelease(options)).rejects.toMatchObject({ code: 'golden-failed' });
  });

  it('refuses a recipient that is none', async () => {
    await expectRefused('age-key-invalid', 'age recipient', { recipient: identity });
  });

  it('never touches an output folder that was there before', async () => {
    const outputDirectory = join(model.folder, 'mine');
    await mkdir(outputDirectory);
    await writeFile(join(outputDirectory, 'precious'), 'x');
    await expectRefused('output-exists', 'exists already', { outputDirectory });
    expect(await readFile(join(outputDirectory, 'precious'), 'utf8')).toBe('x');
  });
});
