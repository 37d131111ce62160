import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Decrypter } from 'age-encryption';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openHeader } from '../age/age-header.ts';
import { openPayload } from '../age/age-payload.ts';
import { ageRecipientOf, generateAgeIdentity } from '../age/age-recipient.ts';
import { parseManifest } from '../archive/manifest.ts';
import { verifyModel } from '../archive/oms.ts';
import { readArchive } from '../archive/variant-archive.ts';
import { generateSigningKey, signerOf } from '../documents/signing-key.ts';
import { parseModelDefinition } from './model-definition.ts';
import { type BuildProgress, type BuildReleaseOptions, buildRelease } from './release-builder.ts';
import type { PrepareTraining } from './trainable-model.ts';

const YAML = `name: meter-reader
version: 1.0.0
description: Reads digits.
task: classification
labels: labels.txt
input: { width: 2, height: 2, color: gray }
variants:
  - file: model.onnx
  - { runtime: tflite, file: model.tflite, precision: int8, requires: { arch: [arm64] } }
acceptance: { samples: suite, goldenSamples: 1, goldenTolerance: 0.01, minAccuracy: 0.5 }
`;
const signer = signerOf(generateSigningKey());
const identity = generateAgeIdentity();
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let folder: string;
let directory: string;
let progress: BuildProgress[];

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(join(directory, path), content);
}

function build(change: Partial<BuildReleaseOptions> = {}, yaml = YAML) {
  return buildRelease({
    directory,
    definition: parseModelDefinition(yaml),
    releaseCounter: 4,
    rollbackFloor: 2,
    minAgent: '0.1.0',
    now: 1_700_000_000_000,
    signer,
    recipient: ageRecipientOf(identity),
    outputDirectory: join(folder, 'out', 'release'),
    inspectModel: () => undefined,
    profilesFor: () => ['rpi5'],
    runModel: async ({ manifest, samples }) =>
      manifest.variant.runtime === 'onnxruntime' ? samples.map(() => [0.25, 0.75]) : undefined,
    onProgress: (step) => progress.push(step),
    ...change,
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-release-'));
  directory = join(folder, 'model');
  progress = [];
  await mkdir(join(directory, 'suite', 'more'), { recursive: true });
  await put('labels.txt', 'zero\r\none\r\n');
  await put('model.onnx', Buffer.alloc(100_000, 1));
  await put('model.tflite', Buffer.from('tflite'));
  await put('suite/labels.csv', 'file,label\n"a,1.png",one\nmore/b.png,"zero"\n');
  await put('suite/a,1.png', 'picture a');
  await put('suite/more/b.png', 'picture b');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

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
    expect(await readdir(join(folder, 'out', 'release'))).toHaveLength(2);

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
    const two = await build({ outputDirectory: join(folder, 'again') });
    const keys = [...one.variants, ...two.variants].map(({ ageHeader }) =>
      openHeader(ageHeader, identity).toString('hex'),
    );
    expect(new Set(keys).size).toBe(4);
  });

  it('says how far it is', async () => {
    const built = await build();
    expect(progress.map(({ step, variant }) => `${step} ${variant}`)).toEqual([
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
    expect(progress[5]?.bytes).toBe(built.variants[0]?.target.length);
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

const TRAINING = {
  featuresOutput: 'relu',
  features: 32,
  classes: 2,
  weights: 'w2',
  bias: 'b2',
  transposed: false,
  backbone: 'a'.repeat(64),
  base: 'b'.repeat(64),
};
const prepareTraining: PrepareTraining = ({ bytes }) => ({
  model: Buffer.concat([bytes, Buffer.from('features')]),
  training: TRAINING,
  step: Buffer.from('step'),
});
const LINEAGE = {
  parent: 'meter-reader@0.9.0',
  round: '6f1c2a34-0000-4000-8000-000000000001',
  updateSha256: 'c'.repeat(64),
  devices: 4,
  samples: 200,
};

describe('a trainable release', () => {
  const trainable = (change: Partial<BuildReleaseOptions> = {}, line = 'training: auto') =>
    build({ prepareTraining, ...change }, `${YAML}${line}\n`);

  const filesOf = async (variant: { ageHeader: Buffer; payloadFile: string } | undefined) => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const sealed = await readFile(variant?.payloadFile ?? '');
    return readArchive(await decrypter.decrypt(Buffer.concat([variant?.ageHeader ?? Buffer.alloc(0), sealed])));
  };

  it('brings the model with its features and the step, all of it signed', async () => {
    const built = await trainable();
    const files = await filesOf(built.variants[0]);
    expect(files.get('model.onnx')?.subarray(100_000).toString()).toBe('features');
    expect(files.get('training/step.onnx')?.toString()).toBe('step');
    expect(parseManifest(files.get('manifest.json') ?? Buffer.alloc(0)).training).toEqual({
      ...TRAINING,
      step: 'training/step.onnx',
    });
    const signature = files.get('model.sig') ?? Buffer.alloc(0);
    verifyModel(signature, files, [signer.publicKeyPem]);
    files.set('training/step.onnx', Buffer.from('pest'));
    expect(() => verifyModel(signature, files, [signer.publicKeyPem])).toThrow('training/step.onnx');
  });

  it('tells the control plane what its rounds have to know, of its ONNX variants alone', async () => {
    const { statement, variants } = await trainable();
    const { backbone, base, features, classes } = TRAINING;
    expect(statement.targets.map(({ training }) => training)).toEqual([
      { backbone, base, features, classes },
      undefined,
    ]);
    expect([...(await filesOf(variants[1])).keys()]).not.toContain('training/step.onnx');
  });

  it('takes golden outputs of the model that it ships', async () => {
    const run: number[] = [];
    await trainable({
      runModel: async ({ model, samples }) => {
        run.push(model.length);
        return samples.map(() => [0, 1]);
      },
    });
    expect(run).toEqual([100_008, 6]);
  });

  it('goes on without a variant that cannot be trained, and says so', async () => {
    const yaml = YAML.replace('file: model.onnx', 'file: model.onnx\n  - { file: model.onnx, precision: int8 }');
    const { statement } = await build(
      { prepareTraining: (request) => (request.variant.precision === 'int8' ? undefined : prepareTraining(request)) },
      `${yaml}training: auto\n`,
    );
    expect(statement.targets.map(({ training }) => training?.features)).toEqual([32, undefined, undefined]);
    const steps = progress.filter(({ step }) => step.startsWith('training'));
    expect(steps.map(({ step, variant }) => `${step} ${variant}`)).toEqual([
      'training onnx-fp32',
      'training onnx-int8',
      'training-skipped onnx-int8',
    ]);
  });

  it('asks for the head that is named', async () => {
    const asked: unknown[] = [];
    await trainable(
      {
        prepareTraining: (request) => {
          asked.push([request.variant.id, request.head, request.labels]);
          return prepareTraining(request);
        },
      },
      'training: { head: fc }',
    );
    expect(asked).toEqual([['onnx-fp32', 'fc', ['zero', 'one']]]);
  });

  it.each<[string, BuildReleaseOptions['prepareTraining'], RegExp]>([
    [
      'has none',
      () => {
        throw new Error('no Gemm');
      },
      /^model\.yaml, training: model\.onnx \(variant onnx-fp32\): no Gemm$/,
    ],
    [
      'has other classes than labels',
      async (request) => ({
        ...((await prepareTraining(request)) ?? expect.unreachable()),
        training: { ...TRAINING, classes: 10 },
      }),
      /model\.yaml, training: .*expected a head with 2 classes, one per label, got 10$/,
    ],
    ['has it in no variant', () => undefined, /at least one variant whose head can be trained, got none/],
  ])('is refused for a model whose head %s, and nothing is left', async (_, prepare, message) => {
    const change = prepare === undefined ? {} : { prepareTraining: prepare };
    await expect(trainable(change)).rejects.toMatchObject({
      code: 'training-failed',
      message: expect.stringMatching(message),
    });
    expect(existsSync(join(folder, 'out', 'release'))).toBe(false);
  });
});

describe('lineage', () => {
  const withLineage = async (content: string) => {
    await put('lineage.json', content);
    return build({}, `${YAML}lineage: lineage.json\n`);
  };

  it('is in the statement, as the file has it', async () => {
    const { statement } = await withLineage(JSON.stringify(LINEAGE));
    expect(statement.lineage).toEqual(LINEAGE);
  });

  it.each([
    ['is no JSON', 'parent: x', 'lineage.json: expected JSON'],
    ['lacks its round', JSON.stringify({ ...LINEAGE, round: undefined }), 'at round'],
    [
      'is of another model',
      JSON.stringify({ ...LINEAGE, parent: 'bird@1.0.0' }),
      'a release of meter-reader, got bird@',
    ],
  ])('is refused when it %s', async (_, content, message) => {
    await expect(withLineage(content)).rejects.toMatchObject({
      code: 'lineage-invalid',
      message: expect.stringContaining(message),
    });
  });

  it('is missed like every other file', async () => {
    await expect(build({}, `${YAML}lineage: lineage.json\n`)).rejects.toMatchObject({ code: 'files-missing' });
  });
});

describe('a folder that is no release', () => {
  async function refused(
    code: string,
    message: string | RegExp,
    change: Partial<BuildReleaseOptions> = {},
    yaml = YAML,
  ) {
    await expect(build(change, yaml)).rejects.toMatchObject({
      code,
      message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
    });
    expect(existsSync(join(folder, 'out', 'release'))).toBe(false);
  }

  it('names all files that are missing', async () => {
    await rm(join(directory, 'model.onnx'));
    await rm(join(directory, 'suite', 'labels.csv'));
    await refused('files-missing', /: model\.onnx, suite\/labels\.csv$/);
  });

  it('names samples that are missing, and folders in their place', async () => {
    await rm(join(directory, 'suite', 'a,1.png'));
    await mkdir(join(directory, 'suite', 'a,1.png'));
    await refused('files-missing', 'suite/a,1.png (not a file)');
  });

  it.each([
    ['a hole', 'zero\n\none', 'line 2: expected a label'],
    ['a label twice', 'zero\none\nzero', 'line 3: "zero" is there twice'],
    ['one label', 'zero\n', 'at least 2 labels'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x0a]), 'UTF-8'],
  ])('refuses labels with %s', async (_, text, message) => {
    await put('labels.txt', text);
    await refused('labels-invalid', message);
  });

  it.each([
    ['no header', 'a.png,one\n', 'line 1: expected the header file,label'],
    ['no rows', 'file,label\n', 'expected at least one sample'],
    ['too many columns', 'file,label\na.png,one,two\n', 'line 2: expected file,label'],
    ['a path that climbs', 'file,label\n../a.png,one\n', 'line 2: expected a file in the folder'],
    ['a file twice', 'file,label\na.png,one\na.png,zero\n', 'line 3: a.png is there twice'],
    ['an unknown label', 'file,label\na.png,two\n', 'got "two"'],
  ])('refuses samples with %s', async (_, text, message) => {
    await put('suite/labels.csv', text);
    await refused('samples-invalid', message);
  });

  it('refuses a model that the inspector refuses, before anything is written', async () => {
    await refused('model-invalid', 'model.onnx (variant onnx-fp32): not an ONNX model', {
      profilesFor: () => ['rpi5'],
      inspectModel: () => {
        throw new Error('not an ONNX model');
      },
    });
    expect(existsSync(join(folder, 'out'))).toBe(false);
  });

  it.each<[string, BuildReleaseOptions['runModel'], string]>([
    ['does not run', () => Promise.reject(new Error('bad node')), 'does not run: bad node'],
    ['answers with other labels', async () => [[1]], 'expected 2 finite values, one per label, got 1'],
    ['answers with no numbers', async () => [[Number.NaN, 1]], 'finite'],
    ['answers not at all', async () => [], 'got no'],
  ])('refuses a model that %s', async (_, runModel, message) => {
    await refused('golden-failed', message, runModel ? { runModel } : {});
  });

  it('leaves nothing when a later variant fails', async () => {
    await refused('golden-failed', 'tflite-int8', {
      runModel: async ({ manifest, samples }) => {
        if (manifest.variant.id === 'tflite-int8') throw new Error('no runtime');
        return samples.map(() => [0, 1]);
      },
    });
    expect(progress.some(({ step }) => step === 'sealed')).toBe(true);
  });

  it('refuses a floor above its own counter, and leaves nothing', async () => {
    await expect(build({ rollbackFloor: 5 })).rejects.toThrow('may not forbid itself');
    expect(existsSync(join(folder, 'out', 'release'))).toBe(false);
  });

  it('refuses a golden tolerance that nothing can measure', async () => {
    const { runModel: _, ...rest } = { runModel: undefined };
    const definition = parseModelDefinition(YAML);
    await expect(
      buildRelease({
        ...rest,
        directory,
        definition,
        releaseCounter: 1,
        rollbackFloor: 0,
        minAgent: '0.1.0',
        now: 0,
        signer,
        recipient: ageRecipientOf(identity),
        outputDirectory: join(folder, 'out'),
        inspectModel: () => undefined,
        profilesFor: () => ['rpi5'],
      }),
    ).rejects.toMatchObject({ code: 'golden-failed' });
  });

  it('refuses a recipient that is none', async () => {
    await refused('age-key-invalid', 'age recipient', { recipient: identity });
  });

  it('never touches an output folder that was there before', async () => {
    const outputDirectory = join(folder, 'mine');
    await mkdir(outputDirectory);
    await writeFile(join(outputDirectory, 'precious'), 'x');
    await refused('output-exists', 'exists already', { outputDirectory });
    expect(await readFile(join(outputDirectory, 'precious'), 'utf8')).toBe('x');
  });
});
