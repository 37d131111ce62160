import type { ReleaseManifest } from '@aviary/release';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import type { Picture } from '../frame.ts';
import { grayInput } from '../testing/light-manifest.ts';
import { TemporaryFolders } from '../testing/light-release.ts';
import {
  columnsModel,
  constantModel,
  meanModel,
  mirrorModel,
  type TaskModel,
  twoLabelsModel,
  writeTaskRelease,
} from '../testing/task-release.ts';
import { LoadedRelease } from './loaded-release.ts';

const folders = new TemporaryFolders();
afterAll(() => folders.remove());

async function load(models: readonly TaskModel[], change: Partial<ReleaseManifest> = {}): Promise<LoadedRelease> {
  const archiveDirectory = folders.make();
  const manifest = await writeTaskRelease(archiveDirectory, models, change);
  return LoadedRelease.load(manifest, { archiveDirectory, providers: ['cpu'], intraOpThreads: 1 });
}

type Rectangle = readonly [x: number, y: number, width: number, height: number, gray: number];

/** A black picture with gray rectangles. */
function picture(width: number, height: number, ...rectangles: readonly Rectangle[]): Picture & { kind: 'raw' } {
  const bytes = new Uint8Array(width * height);
  for (const [left, top, across, down, gray] of rectangles) {
    for (let y = top; y < top + down; y += 1) bytes.fill(gray, y * width + left, y * width + left + across);
  }
  return { kind: 'raw', width, height, channels: 1, bytes };
}

const BRIGHT = { scoreThreshold: 0.3, mapThreshold: 0.3, unclip: 0, decoder: 'db', minSide: 1 } as const;
const bright = (width: number, height: number, change: Parameters<typeof grayInput>[2] = {}): TaskModel => ({
  id: 'find',
  task: 'detection',
  labels: ['spot'],
  preprocessing: grayInput(width, height, change),
  postprocessing: BRIGHT,
  bytes: mirrorModel([change.batch === undefined ? 1 : 'N', 1, height, width]),
});
const shade = (size: number, change: Partial<TaskModel> = {}): TaskModel => ({
  id: 'shade',
  task: 'classification',
  labels: ['dark', 'light'],
  preprocessing: grayInput(size, size),
  bytes: meanModel([1, 1, size, size]),
  ...change,
});

describe('a detector', () => {
  const said = [
    // cx, cy, w, h, objectness, scores of two labels; the second covers the first.
    [16, 16, 8, 8, 1, 0.9, 0.1],
    [17, 16, 8, 8, 1, 0.6, 0.1],
    [24, 20, 4, 4, 1, 0.1, 0.7],
  ];
  const yolo = (change: Parameters<typeof grayInput>[2]): TaskModel => ({
    id: 'yolo',
    task: 'detection',
    labels: ['car', 'person'],
    preprocessing: grayInput(32, 32, change),
    postprocessing: { decoder: 'yolov5', confidenceBelow: 0.75 },
    bytes: constantModel([1, 1, 32, 32], [1, 3, 7], said.flat()),
  });

  it.each([
    // 64 × 32: the whole frame lies in rows 8 to 24 of the input.
    ['letterbox', { left: 24, top: 8, width: 16, height: 16 }],
    // Columns 16 to 48 of the frame are the input.
    ['crop', { left: 28, top: 12, width: 8, height: 8 }],
    ['stretch', { left: 24, top: 12, width: 16, height: 8 }],
  ] as const)('gives boxes in pixels of the frame through %s, raw or encoded', async (resize, box) => {
    const release = await load([yolo({ resize })]);
    const raw = picture(64, 32);
    const encoded = await sharp(raw.bytes, { raw: { width: 64, height: 32, channels: 1 } })
      .png()
      .toBuffer();
    for (const frame of [raw, { kind: 'encoded', bytes: encoded } as const]) {
      const answer = await release.answer(frame);
      expect(answer).toMatchObject({ label: '1 car; 1 person', lowConfidence: true });
      expect(answer.confidence).toBeCloseTo(0.7, 5);
      expect(answer.objects?.map(({ label, index }) => [label, index])).toEqual([
        ['car', 0],
        ['person', 1],
      ]);
      expect(answer.objects?.[0]?.box).toEqual(box);
    }
    await release.release();
  });

  it('says that there is nothing, as sure as its best guess was not', async () => {
    const release = await load([bright(32, 16)]);
    expect(await release.answer(picture(32, 16))).toMatchObject({ label: 'none', confidence: 1, objects: [] });
    const dim = await load([{ ...bright(32, 16), postprocessing: { ...BRIGHT, scoreThreshold: 0.8 } }]);
    const answer = await dim.answer(picture(32, 16, [4, 4, 8, 8, 153]));
    expect(answer).toMatchObject({ label: 'none', lowConfidence: true });
    expect(answer.confidence).toBeCloseTo(0.4, 5);
  });

  it('looks at a region only', async () => {
    const region = { left: 0.5, top: 0, width: 0.5, height: 1 };
    const release = await load([bright(32, 16, { region })]);
    const answer = await release.answer(picture(64, 16, [4, 4, 8, 8, 255], [40, 4, 8, 8, 255]));
    expect(answer.objects?.map(({ box }) => box)).toEqual([{ left: 40, top: 4, width: 8, height: 8 }]);
  });

  it.each([undefined, 2, 4])('merges what several tiles have found, %s in a run', async (batch) => {
    const tiles = { width: 32, height: 16, overlap: 16 };
    const release = await load([bright(32, 16, { tiles, ...(batch === undefined ? {} : { batch }) })]);
    // The second lies in two tiles; the third in one, and with three of its columns in another.
    const spots: Rectangle[] = [
      [2, 2, 6, 6, 255],
      [20, 4, 8, 8, 204],
      [45, 4, 12, 8, 255],
    ];
    const answer = await release.answer(picture(64, 16, ...spots));
    expect(answer.label).toBe('3 spot');
    expect(answer.objects?.map(({ box }) => box).sort((a, b) => a.left - b.left)).toEqual(
      spots.map(([left, top, width, height]) => ({ left, top, width, height })),
    );
  });

  it('takes frames of any size with an input whose sides follow from them', async () => {
    const input = grayInput(96, 96, { resize: 'within', multipleOf: 32 });
    const release = await load([{ ...bright(96, 96), preprocessing: input, bytes: mirrorModel([1, 1, 'H', 'W']) }]);
    for (const [width, height] of [
      [64, 32],
      [32, 96],
      [192, 64],
    ] as const) {
      const answer = await release.answer(picture(width, height, [8, 8, 16, 16, 255]));
      const box = answer.objects?.[0]?.box;
      for (const [key, value] of [
        ['left', 8],
        ['top', 8],
        ['width', 16],
        ['height', 16],
      ] as const) {
        expect(Math.abs((box?.[key] ?? 0) - value), `${width} × ${height}, ${key}`).toBeLessThanOrEqual(
          width > 96 ? 4 : 0,
        );
      }
    }
  });
});

describe('a classifier', () => {
  it('answers with the mean of its tiles', async () => {
    const tiles = { width: 16, height: 16, overlap: 0 };
    const release = await load([shade(16, { preprocessing: grayInput(16, 16, { tiles }) })]);
    // Two tiles of 1, one of 0.2.
    const answer = await release.answer(picture(48, 16, [0, 0, 32, 16, 255], [32, 0, 16, 16, 51]));
    expect(answer).toMatchObject({ label: 'light', index: 1, lowConfidence: false });
    expect(answer.confidence).toBeCloseTo(2.2 / 3, 5);
  });
});

describe('other tasks', () => {
  it('segmentation gives the share of each label, without what a letterbox filled', async () => {
    const release = await load([
      {
        id: 'areas',
        task: 'segmentation',
        labels: ['dark', 'light'],
        preprocessing: grayInput(16, 16, { resize: 'letterbox' }),
        bytes: twoLabelsModel([1, 1, 16, 16]),
      },
    ]);
    const answer = await release.answer(picture(16, 8, [0, 0, 4, 8, 255]));
    expect(answer).toMatchObject({ label: 'dark', index: 0, shares: { dark: 0.75, light: 0.25 }, confidence: 1 });
  });

  it('embedding gives a vector of length 1', async () => {
    const model = {
      id: 'vector',
      task: 'embedding',
      labels: [],
      preprocessing: grayInput(2, 1, { layout: 'flat' }),
    } as const;
    const release = await load([{ ...model, bytes: mirrorModel([1, 2]) }]);
    const { vector, ...answer } = await release.answer(picture(2, 1, [0, 0, 1, 1, 153], [1, 0, 1, 1, 204]));
    expect(answer).toMatchObject({ label: '', confidence: 1, lowConfidence: false });
    expect(vector?.map((value) => Number(value.toFixed(6)))).toEqual([0.6, 0.8]);
    await expect(release.answer(picture(2, 1))).rejects.toThrow('a vector with a direction');
  });

  it('raw gives outputs with their shapes', async () => {
    const model = { id: 'numbers', task: 'raw', labels: [], preprocessing: grayInput(2, 1, { scale: 1 }) } as const;
    const release = await load([{ ...model, bytes: mirrorModel([1, 1, 1, 2]) }]);
    expect((await release.answer(picture(2, 1, [1, 0, 1, 1, 7]))).outputs).toEqual([
      { name: 'y', shape: [1, 1, 1, 2], values: [0, 7] },
    ]);
  });

  it('text reads lines that are as wide as they are', async () => {
    const release = await load([
      {
        id: 'read',
        task: 'text',
        labels: ['a', 'b'],
        preprocessing: grayInput(8, 3, { resize: 'fixed-height', multipleOf: 1 }),
        bytes: columnsModel(3),
      },
    ]);
    const a: Rectangle = [0, 1, 1, 1, 255];
    expect(await release.answer(picture(3, 3, a, [1, 2, 1, 1, 255], [2, 0, 1, 1, 255]))).toMatchObject({
      label: 'ab',
      confidence: 1,
    });
    expect(
      await release.answer(picture(5, 3, a, [1, 0, 1, 1, 255], [2, 1, 2, 1, 255], [4, 0, 1, 1, 255])),
    ).toMatchObject({
      label: 'aa',
    });
  });
});

describe('an ensemble', () => {
  it.each([
    ['mean', 'light', 0.6],
    ['vote', 'dark', 0.4],
  ] as const)('answers by %s', async (ensemble, label, confidence) => {
    const constant = (id: string, dark: number, light: number) =>
      shade(4, { id, bytes: constantModel([1, 1, 4, 4], [1, 2], [dark, light]) });
    const models = [constant('a', 0, 1), constant('b', 0.6, 0.4), constant('c', 0.6, 0.4)];
    const release = await load(models, { ensemble });
    const answer = await release.answer(picture(4, 4));
    expect(answer.label).toBe(label);
    expect(answer.confidence).toBeCloseTo(confidence, 5);
    await release.release();
  });
});

describe('a cascade', () => {
  const CASCADE = [{ model: 'find' }, { model: 'shade' }];
  const frame = picture(64, 32, [4, 4, 8, 8, 255], [40, 16, 16, 8, 204], [20, 4, 8, 8, 102]);

  it.each([undefined, 3])('gives what was found to the next stage, %s in a run', async (batch) => {
    const second = shade(4, {
      preprocessing: grayInput(4, 4, batch === undefined ? {} : { batch }),
      bytes: meanModel([batch === undefined ? 1 : 'N', 1, 4, 4]),
    });
    const release = await load([bright(64, 32), second], { cascade: CASCADE });
    const answer = await release.answer(frame);
    expect(answer).toMatchObject({ label: '1 dark; 2 light', lowConfidence: true });
    // The dim one: 0.4 is what the detector thinks of it.
    expect(answer.confidence).toBeCloseTo(0.4, 2);
    expect(answer.objects?.map(({ box, answers }) => [box.left, answers?.shade?.label])).toEqual([
      [4, 'light'],
      [40, 'light'],
      [20, 'dark'],
    ]);
  });

  it('turns what a stage has said so of, for the stages after it', async () => {
    const always = constantModel([1, 1, 4, 4], [1, 2], [0.1, 0.9]);
    const turn = shade(4, { id: 'turn', labels: ['up', 'down'], bytes: always });
    const read: TaskModel = {
      id: 'read',
      task: 'text',
      labels: ['a', 'b'],
      preprocessing: grayInput(2, 3, { resize: 'fixed-height', multipleOf: 1 }),
      bytes: columnsModel(3),
    };
    const cascade = [{ model: 'find' }, { model: 'turn', turns: { down: 180 } as const }, { model: 'read' }];
    const release = await load([bright(16, 8), turn, read], { cascade });
    // As it stands: a blank, then a. Turned: a, then b, which was in the row of the blank. The gray around keeps it together.
    const upside = picture(16, 8, [4, 2, 2, 3, 90], [4, 2, 1, 1, 255], [5, 3, 1, 1, 255]);
    const answer = await release.answer(upside);
    const stands = await (await load([bright(16, 8), read], { cascade: [cascade[0], cascade[2]] as never })).answer(
      upside,
    );
    expect(answer.objects?.[0]?.answers?.turn).toMatchObject({ label: 'down' });
    expect([answer.label, stands.label]).toEqual(['ab', 'a']);
  });

  it('finds nothing where the first stage does', async () => {
    const release = await load([bright(64, 32), shade(4)], { cascade: CASCADE });
    expect(await release.answer(picture(64, 32))).toMatchObject({ label: 'none', confidence: 1, objects: [] });
  });
});

describe('a release that does not fit its models', () => {
  it.each<[string, TaskModel, RegExp]>([
    [
      'a decoder of another head',
      {
        ...bright(8, 8),
        postprocessing: { decoder: 'yolov8' },
        bytes: constantModel([1, 1, 8, 8], [1, 9, 3], new Float32Array(27)),
      },
      /\[1, 5, N\] of decoder yolov8 and 1 labels/,
    ],
    [
      'a batch that the model does not take',
      { ...bright(8, 8, { batch: 2 }), bytes: mirrorModel([1, 1, 8, 8]) },
      /tensor of 2×1×8×8.*takes 1×1×8×8.*batch/,
    ],
    [
      'a size of its own',
      { ...bright(8, 8), preprocessing: grayInput(8, 8, { resize: 'within', multipleOf: 4 }) },
      /tensor of 1×1×H×W.*takes 1×1×8×8/,
    ],
  ])('is refused: %s', async (_, model, words) => {
    await expect(load([model])).rejects.toMatchObject({
      code: 'worker-start-failed',
      message: expect.stringMatching(words),
    });
  });
});
