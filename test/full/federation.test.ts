import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findHead, readModel, withFeaturesOutput, writeModel } from '@aviary/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProgramError, runToEnd } from '../../apps/cli/src/demo/child-process.ts';
import { AVIARY } from '../support/test-fleet.ts';

// The demo's story with real agents, three times with other digits: what it wins, and what leaves the devices.

const TAP = fileURLToPath(new URL('../support/network-tap.mjs', import.meta.url));
const SEEDS = [1, 2, 3];
const SIDE = 28;
/** Bytes that make a chance hit in some megabytes impossible. */
const WINDOW = 16;

interface Summary {
  readonly ok: boolean;
  readonly expectations: Readonly<Record<string, boolean>>;
  readonly figures: Readonly<Record<string, number>>;
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'aviary-federation-'));
  // The database's own user has to reach its data below.
  await chmod(directory, 0o711);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const tell = async (seed: number): Promise<{ summary: Summary; data: string; sent: Buffer }> => {
  const data = join(directory, `seed-${seed}`);
  const tap = join(directory, `tap-${seed}`);
  await mkdir(tap);
  const environment = { AVIARY_TAP: tap, NODE_OPTIONS: `--import ${TAP}` };
  const output = await runToEnd(AVIARY, ['demo', '--once', '--seed', String(seed), '--data', data], environment).catch(
    (error: unknown) => {
      if (!(error instanceof ProgramError) || error.output === '') throw error;
      // Which part did not happen is in the summary, for the assertions below; the story around it is for people.
      console.error(error.message);
      return error.output;
    },
  );
  const files = await readdir(tap);
  const sent = Buffer.concat(await Promise.all(files.map((file) => readFile(join(tap, file)))));
  return { summary: JSON.parse(output.trim().split('\n').at(-1) ?? ''), data, sent };
};

/** Every picture that some device has looked at. */
const picturesOf = async (data: string): Promise<string[]> => {
  const devices = join(data, 'demo', 'devices');
  const found = await readdir(devices, { recursive: true });
  return found.filter((path) => /scene-\d+\/.*\.png$/.test(path)).map((path) => join(devices, path));
};

/** The first run of bytes that is not nearly all zero: those are everywhere. */
const windowIn = (bytes: Buffer, step: number): Buffer | undefined => {
  for (let at = 0; at + WINDOW <= bytes.length; at += step) {
    const window = bytes.subarray(at, at + WINDOW);
    if (new Set(window).size >= WINDOW / 2) return window;
  }
  return undefined;
};

const featuresOf = async (modelFile: string): Promise<(pixels: Float32Array) => Promise<Buffer>> => {
  const model = readModel(await readFile(modelFile));
  const head = findHead(model);
  const bytes = writeModel(withFeaturesOutput(model, head));
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const [input = ''] = session.inputNames;
  return async (pixels) => {
    const answer = await session.run({ [input]: new Tensor('float32', pixels, [1, SIDE * SIDE]) });
    const values = answer[session.outputNames[1] ?? '']?.data as Float32Array;
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  };
};

describe.each(SEEDS)('a fleet that learns in the dark, with digits of seed %i', (seed) => {
  let story: Awaited<ReturnType<typeof tell>>;
  beforeAll(async () => {
    story = await tell(seed);
  }, 600_000);

  it('wins at least 3 points on dark pictures that nobody labelled, and loses at most 1 elsewhere', () => {
    const { figures, expectations } = story.summary;
    console.log(`seed ${seed}: ${JSON.stringify(figures)}`);
    expect(expectations).toMatchObject({ 'round-committed': true, 'candidate-rolled-out': true });
    const { 'accuracy-dark-after': darkAfter = 0, 'accuracy-dark-before': darkBefore = 1 } = figures;
    const { 'accuracy-lit-after': litAfter = 0, 'accuracy-lit-before': litBefore = 1 } = figures;
    expect(darkAfter - darkBefore).toBeGreaterThanOrEqual(0.03);
    expect(litBefore - litAfter).toBeLessThanOrEqual(0.01);
  });

  it('sends no picture and no feature vector over the network', async () => {
    const { data, sent } = story;
    // The tap has seen what is allowed: counts, and the updates.
    expect(sent.includes('"type":"learning"')).toBe(true);
    expect(sent.includes('/update?')).toBe(true);
    const models = join(data, 'demo', 'models', 'meter-reader-1.1.0');
    const backbones = await Promise.all(
      ['model.onnx', 'model-fp16.onnx'].map((file) => featuresOf(join(models, file))),
    );
    const pictures = await picturesOf(data);
    expect(pictures.length).toBeGreaterThan(1_000);
    const leaked: string[] = [];
    let searched = 0;
    for (const path of pictures) {
      const file = await readFile(path);
      const grey = await sharp(file).greyscale().raw().toBuffer();
      const pixels = Float32Array.from(grey, (value) => value / 255);
      const vectors = await Promise.all(backbones.map((run) => run(pixels)));
      const windows = [
        windowIn(file.subarray(40), 1),
        windowIn(grey, SIDE / 4),
        ...vectors.map((it) => windowIn(it, 4)),
      ];
      for (const window of windows) {
        if (window === undefined) continue;
        searched += 1;
        if (sent.includes(window) || sent.includes(window.subarray(0, 15).toString('base64'))) leaked.push(path);
      }
    }
    expect(searched).toBeGreaterThan(3 * pictures.length);
    expect(leaked).toEqual([]);
  }, 300_000);
});
