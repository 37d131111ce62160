import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildMlp, fromHalf, toFloat16Weights, toHalf } from '@aviary/onnx';
import type { RoundCandidate } from '@aviary/protocol';
import {
  ageRecipientOf,
  buildRelease,
  generateAgeIdentity,
  generateSigningKey,
  type ReleaseTarget,
  signerOf,
} from '@aviary/release';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { UsageError } from '../command-line/usage-error.ts';
import { writePictures } from '../demo/training/pictures.ts';
import { buildCandidateFolder, type CandidateOptions } from './candidate-folder.ts';
import { readModelFolder } from './model-folder.ts';
import { prepareTraining } from './prepare-training.ts';
import { readTrainableHead } from './trainable-head.ts';

const PIXELS = 28 * 28;
const FEATURES = 3;
const CLASSES = 2;
const LENGTH = (FEATURES + 1) * CLASSES;
const YAML = `# Reads grey.
name: grey
version: 1.0.0 # the first
task: classification
labels: labels.txt
input: { width: 28, height: 28, color: gray, layout: flat }
variants:
  - file: models/fp32.onnx
  - { file: models/fp16.onnx, precision: fp16 }
  - { file: edge.tflite, runtime: tflite, precision: int8 }
acceptance: { samples: acceptance, minAccuracy: 0.5 }
training: auto
releaseCounter: 4
`;

const numbers = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, index) => Math.sin(seed + index) / 3);
const BASE = numbers(LENGTH, 5);
const UPDATE = numbers(LENGTH, 0.1);
const model = (head = BASE, backbone = 1) =>
  buildMlp(
    [PIXELS, FEATURES, CLASSES],
    [
      { w: numbers(PIXELS * FEATURES, backbone), b: numbers(FEATURES, 2) },
      { w: head.subarray(0, FEATURES * CLASSES), b: head.subarray(FEATURES * CLASSES) },
    ],
  );

const signer = signerOf(generateSigningKey());
const recipient = ageRecipientOf(generateAgeIdentity());

let folder: string;
let from: string;
let out: string;
let targets: readonly ReleaseTarget[];
let candidate: RoundCandidate;

const release = async (directory: string) => {
  const { definition } = await readModelFolder(directory);
  const built = await buildRelease({
    directory,
    definition,
    releaseCounter: 4,
    rollbackFloor: 0,
    minAgent: '0.1.0',
    now: 0,
    signer,
    recipient,
    outputDirectory: await mkdtemp(join(folder, 'release-')).then((path) => join(path, 'out')),
    inspectModel: () => undefined,
    profilesFor: () => ['rpi5'],
    prepareTraining,
  });
  return built.statement;
};

const roundOf = (update: Float32Array, training: ReleaseTarget['training']): RoundCandidate => {
  const bytes = Buffer.from(update.buffer.slice(0));
  const aggregate = {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    updates: 4,
    samples: 320,
    norm: 1,
    clipNorm: 2,
    clipped: 0,
  };
  const tally = { correct: 1, loss: 1 };
  return {
    round: '6f1c2a34-0000-4000-8000-000000000001',
    release: 'grey@1.0.0',
    backbone: training?.backbone ?? '',
    base: training?.base ?? '',
    features: FEATURES,
    classes: CLASSES,
    update: bytes.toString('base64'),
    aggregate,
    evaluation: { devices: 1, samples: 50, base: tally, candidate: tally, words: 'not worse' },
    committedAt: 0,
  };
};

const build = (change: Partial<CandidateOptions> = {}) =>
  buildCandidateFolder({ from, version: '1.1.0', out, candidate, targets, ...change });

const refusal = async (change: Partial<CandidateOptions> = {}): Promise<Error> => {
  const before = existsSync(out) ? await readdir(out) : undefined;
  const error: unknown = await build(change).catch((reason: unknown) => reason);
  expect(existsSync(out) ? await readdir(out) : undefined).toEqual(before);
  expect((await readdir(folder)).filter((name) => name.startsWith('.aviary'))).toEqual([]);
  return error instanceof Error ? error : expect.unreachable();
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aviary-candidate-'));
  from = join(folder, 'grey');
  out = join(folder, 'candidate');
  await mkdir(join(from, 'models'), { recursive: true });
  await writeFile(join(from, 'model.yaml'), YAML);
  await writeFile(join(from, 'labels.txt'), 'dark\nbright\n');
  await writeFile(join(from, 'models/fp32.onnx'), model());
  await writeFile(join(from, 'models/fp16.onnx'), toFloat16Weights(model()));
  await writeFile(join(from, 'edge.tflite'), 'tflite');
  await writeFile(join(from, 'notes.txt'), 'not for the candidate');
  await writePictures(join(from, 'acceptance'), [
    { label: 0, pixels: new Float32Array(PIXELS) },
    { label: 1, pixels: new Float32Array(PIXELS).fill(1) },
  ]);
  const list = join(from, 'acceptance/labels.csv');
  const rows = await readFile(list, 'utf8');
  await writeFile(list, rows.replaceAll(/,0$/gm, ',dark').replaceAll(/,1$/gm, ',bright'));
  ({ targets } = await release(from));
  candidate = roundOf(UPDATE, targets[0]?.training);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('buildCandidateFolder', () => {
  it('adds the update to the head that was trained, to the bit, and keeps every byte of the backbone', async () => {
    const before = readTrainableHead(await readFile(join(from, 'models/fp32.onnx')));
    await build();
    const after = readTrainableHead(await readFile(join(out, 'models/fp32.onnx')));
    expect(Array.from(after.values)).toEqual(
      Array.from(BASE, (value, index) => Math.fround(value + (UPDATE[index] ?? Number.NaN))),
    );
    expect(after.backbone).toBe(before.backbone);
    expect(after.base).not.toBe(before.base);
  });

  it('adds it to the heads of other precisions in their own', async () => {
    await build();
    const before = readTrainableHead(await readFile(join(from, 'models/fp16.onnx')));
    const after = readTrainableHead(await readFile(join(out, 'models/fp16.onnx')));
    const isBias = (index: number) => index >= FEATURES * CLASSES;
    expect(Array.from(after.values)).toEqual(
      Array.from(before.values, (value, index) => {
        const sum = Math.fround(value + (UPDATE[index] ?? Number.NaN));
        return isBias(index) ? sum : fromHalf(toHalf(sum));
      }),
    );
    expect(after.backbone).toBe(before.backbone);
  });

  it('makes a folder of which a release can be made that tells where it comes from', async () => {
    const built = await build({ out: join(folder, 'deep', 'candidate') });
    expect(built).toMatchObject({
      release: 'grey@1.1.0',
      updated: ['onnx-fp32', 'onnx-fp16'],
      unchanged: ['tflite-int8'],
    });
    const statement = await release(built.directory);
    expect(statement.release).toBe('grey@1.1.0');
    expect(statement.lineage).toEqual({
      parent: 'grey@1.0.0',
      round: candidate.round,
      updateSha256: candidate.aggregate.sha256,
      devices: 4,
      samples: 320,
    });
    expect(statement.targets.map(({ training }) => training?.backbone)).toEqual(
      targets.map(({ training }) => training?.backbone),
    );
  });

  it('copies what the release needs and nothing else, and keeps the comments of model.yaml', async () => {
    await build();
    expect((await readdir(out)).sort()).toEqual([
      'acceptance',
      'edge.tflite',
      'labels.txt',
      'lineage.json',
      'model.yaml',
      'models',
    ]);
    expect(await readdir(join(out, 'acceptance'))).toEqual(await readdir(join(from, 'acceptance')));
    const text = await readFile(join(out, 'model.yaml'), 'utf8');
    expect(text).toContain('# Reads grey.');
    const { releaseCounter: _, ...rest } = parse(YAML);
    expect(parse(text)).toEqual({ ...rest, version: '1.1.0', lineage: 'lineage.json' });
  });

  it('takes an empty folder, and the candidate of a candidate', async () => {
    await mkdir(out);
    await build();
    ({ targets } = await release(out));
    candidate = { ...roundOf(UPDATE, targets[0]?.training), release: 'grey@1.1.0' };
    const second = await build({ from: out, version: '1.2.0', out: join(folder, 'second') });
    expect((await release(second.directory)).lineage?.parent).toBe('grey@1.1.0');
  });
});

describe('nothing is built', () => {
  it('into a folder that has something in it, or in place of a file', async () => {
    await mkdir(out);
    await writeFile(join(out, 'precious'), 'x');
    expect((await refusal()).message).toContain('nothing is overwritten');
    const error = await build({ out: join(from, 'labels.txt') }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect(await readFile(join(from, 'labels.txt'), 'utf8')).toContain('dark');
  });

  it.each<[string, () => Partial<CandidateOptions>, RegExp]>([
    ['the version of the base', () => ({ version: '1.0.0' }), /new version for --version/],
    ['no version', () => ({ version: 'next' }), /semantic version such as 1\.3\.0.*"next"/],
    [
      'another release',
      () => ({ candidate: { ...candidate, release: 'grey@0.9.0' } }),
      /folder of grey@0\.9\.0.*grey@1\.0\.0/,
    ],
    [
      'a round of another backbone',
      () => ({ candidate: { ...candidate, backbone: 'a'.repeat(64) } }),
      /No variant in .* that the round trained/,
    ],
    ['no folder', () => ({ from: join(folder, 'nowhere') }), /Expected a folder with a model\.yaml/],
  ])('with %s', async (_, change, words) => {
    const error = await refusal(change());
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(words);
  });

  it('of files that are not those that were published', async () => {
    await writeFile(join(from, 'models/fp32.onnx'), model(numbers(LENGTH, 6)));
    expect((await refusal()).message).toMatch(/models\/fp32\.onnx \(variant onnx-fp32\) is not the file.*the head/);
    await writeFile(join(from, 'models/fp32.onnx'), model(BASE, 8));
    expect((await refusal()).message).toMatch(/is not the file that was published: expected the backbone/);
    await rm(join(from, 'models/fp32.onnx'));
    expect((await refusal()).message).toContain('models/fp32.onnx, which is not in');
  });

  it('of a folder that is not trainable', async () => {
    await writeFile(join(from, 'model.yaml'), YAML.replace('training: auto\n', ''));
    expect((await refusal()).message).toContain('has no training');
  });

  it('of an update that came damaged, cut, or without numbers', async () => {
    expect((await refusal({ candidate: { ...candidate, update: roundOf(BASE, undefined).update } })).message).toContain(
      `Expected an update with the SHA-256 ${candidate.aggregate.sha256}`,
    );
    const training = targets[0]?.training;
    expect((await refusal({ candidate: roundOf(UPDATE.subarray(1).slice(), training) })).message).toMatch(
      /Expected 32 bytes for 3 features and 2 classes, got 28/,
    );
    const holed = UPDATE.slice().fill(Number.NaN, 3, 4);
    expect((await refusal({ candidate: roundOf(holed, training) })).message).toContain('finite numbers');
  });
});
