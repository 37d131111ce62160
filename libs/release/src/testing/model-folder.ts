import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { openHeader } from '../age/age-header.ts';
import { openPayload } from '../age/age-payload.ts';
import { ageRecipientOf, generateAgeIdentity } from '../age/age-recipient.ts';
import { readArchive } from '../archive/variant-archive.ts';
import { parseModelDefinition } from '../definition/model-definition.ts';
import {
  type BuildProgress,
  type BuildReleaseOptions,
  type BuiltRelease,
  type BuiltVariant,
  buildRelease,
} from '../definition/release-builder.ts';
import { newSigner } from './repository-simulator.ts';

/** Of a small classifier in two variants, with a golden output. */
export const METER_READER_YAML = `name: meter-reader
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

/** What it names. */
export const METER_READER_FILES: Readonly<Record<string, string | Uint8Array>> = {
  'labels.txt': 'zero\r\none\r\n',
  'model.onnx': Buffer.alloc(100_000, 1),
  'model.tflite': 'tflite',
  'suite/labels.csv': 'file,label\n"a,1.png",one\nmore/b.png,"zero"\n',
  'suite/a,1.png': 'picture a',
  'suite/more/b.png': 'picture b',
};

/** A folder with a model's files, new before each test of a file, and releases that are built of it. */
export const modelFolder = (yaml: string, files: Readonly<Record<string, string | Uint8Array>>) => {
  const signer = newSigner();
  const identity = generateAgeIdentity();
  let folder: string;
  let progress: BuildProgress[] = [];

  const at = (path: string): string => join(folder, 'model', path);
  const outputDirectory = (): string => join(folder, 'out', 'release');
  const put = async (path: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), content);
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'aviary-model-'));
    progress = [];
    for (const [path, content] of Object.entries(files)) await put(path, content);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** ONNX Runtime answers 0.25 and 0.75 of each sample; nothing else runs here. */
  const options = (definition = yaml): BuildReleaseOptions => ({
    directory: at('.'),
    definition: parseModelDefinition(definition),
    releaseCounter: 4,
    rollbackFloor: 2,
    minAgent: '0.1.0',
    now: 1_700_000_000_000,
    signer,
    recipient: ageRecipientOf(identity),
    outputDirectory: outputDirectory(),
    inspectModel: () => undefined,
    profilesFor: () => ['rpi5'],
    runModel: async ({ manifest, samples }) =>
      manifest.variant.runtime === 'onnxruntime' ? samples.map(() => [0.25, 0.75]) : undefined,
    onProgress: (step) => progress.push(step),
  });
  const build = (change: Partial<BuildReleaseOptions> = {}, definition = yaml): Promise<BuiltRelease> =>
    buildRelease({ ...options(definition), ...change });

  return {
    signer,
    identity,
    at,
    put,
    options,
    build,

    /** Beside the model's folder. */
    get folder() {
      return folder;
    },
    get outputDirectory() {
      return outputDirectory();
    },
    /** What builds have said. */
    get progress(): readonly BuildProgress[] {
      return progress;
    },

    /** Files of a variant's archive, as whoever it is sealed to reads them. */
    async open({ payloadFile, ageHeader }: BuiltVariant): Promise<Map<string, Buffer>> {
      const plain: Buffer[] = [];
      const fileKey = openHeader(ageHeader, identity);
      for await (const part of openPayload(fileKey, [await readFile(payloadFile)])) plain.push(part);
      return readArchive(Buffer.concat(plain));
    },

    /** Expects that nothing is built, and nothing left. */
    async expectRefused(
      code: string,
      message: string | RegExp,
      change: Partial<BuildReleaseOptions> = {},
      definition = yaml,
    ): Promise<void> {
      await expect(build(change, definition)).rejects.toMatchObject({
        code,
        message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
      });
      expect(existsSync(outputDirectory())).toBe(false);
    },
  };
};
