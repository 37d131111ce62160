import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import type { Picture } from './frame.ts';
import { grayInput } from './testing/light-manifest.ts';
import { TemporaryFolders } from './testing/light-release.ts';
import { mirrorModel, type TaskModel, writeTaskRelease } from './testing/task-release.ts';
import { convolutionModel } from './testing/test-models.ts';
import { testWorkers } from './testing/test-workers.ts';

const folders = new TemporaryFolders();
const worker = testWorkers();
afterAll(() => folders.remove());

const SIDE = 16;
/** Takes bright areas for text. */
const FINDER: TaskModel = {
  id: 'find',
  task: 'detection',
  labels: ['spot'],
  preprocessing: grayInput(SIDE, SIDE),
  postprocessing: { decoder: 'db', unclip: 0, confidenceBelow: 0.5 },
  bytes: mirrorModel([1, 1, SIDE, SIDE]),
};
/** A bright square in a corner. */
const PIXELS = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE < 8 && i < SIDE * 8 ? 255 : 0));
const raw = (bytes: Uint8Array, width: number, height: number): Picture => ({
  kind: 'raw',
  bytes,
  width,
  height,
  channels: 1,
});

describe("a detector's worker", () => {
  it('tells the supervisor what it has found, and is judged by counts and by every second value of its output', async () => {
    const folder = folders.make();
    const file = 'acceptance/00.png';
    const golden = Array.from(PIXELS, (value) => value / 255).filter((_, i) => i % 2 === 0);
    await writeTaskRelease(folder, [FINDER], {
      acceptance: {
        limits: { minAccuracy: 1, goldenTolerance: 1e-6, maxLowConfidenceRate: 0 },
        samples: [{ file, label: '1 spot' }],
        golden: [{ file, every: 2, output: golden }],
      },
    });
    const picture = sharp(PIXELS, { raw: { width: SIDE, height: SIDE, channels: 1 } }).png();
    writeFileSync(join(folder, file), await picture.toBuffer());
    const handle = await worker(folder);
    const { ms, id, at: _at, ...answer } = await handle.infer({ source: 'spot', picture: raw(PIXELS, SIDE, SIDE) });
    expect(answer).toEqual({
      label: '1 spot',
      confidence: 1,
      lowConfidence: false,
      objects: [{ label: 'spot', index: 0, confidence: 1, box: { left: 0, top: 0, width: 8, height: 8 } }],
    });
    expect(ms.total).toBeGreaterThanOrEqual(ms.run);
    expect(await handle.runAcceptance()).toMatchObject({ passed: true, figures: { accuracy: 1, golden: 1 } });
  });

  it('does not pass with other counts or another output', async () => {
    const folder = folders.make();
    const file = 'acceptance/00.png';
    await writeTaskRelease(folder, [FINDER], {
      acceptance: {
        limits: { minAccuracy: 1, goldenTolerance: 1e-6 },
        samples: [{ file, label: '2 spot' }],
        golden: [{ file, every: 2, output: [0, 0, 0] }],
      },
    });
    const { failures } = await (await worker(folder)).runAcceptance();
    expect(failures.map(({ limit }) => limit)).toEqual(['accuracy', 'goldenDifference']);
  });
});

describe('a frame of many runs', () => {
  it('may take longer than the supervisor waits for a sign of life', async () => {
    const folder = folders.make();
    const side = 64;
    const tiles = { width: side, height: side, overlap: side / 2 };
    const preprocessing = grayInput(side, side, { tiles });
    const bytes = convolutionModel({ side, channels: 16, depth: 12, outputs: 2 }, () => 0.5);
    const model = { id: 'slow', task: 'classification', labels: ['a', 'b'], preprocessing, bytes } as const;
    await writeTaskRelease(folder, [{ ...model, postprocessing: { activation: 'softmax' } }], {
      acceptance: { limits: {}, samples: [{ file: 'acceptance/00.png', label: 'a' }], golden: [] },
    });
    const handle = await worker(folder, { frameTimeoutMs: 3000 });
    const seen = async (count: number) => {
      const width = side + (count - 1) * (side / 2);
      return (await handle.infer({ source: 'large', picture: raw(new Uint8Array(width * side), width, side) })).ms
        .total;
    };
    // Twice as many tiles each time, however fast this machine is, until a frame has taken longer than that.
    let total = 0;
    for (let count = 64; total <= 3000 && count <= 65_536; count *= 2) total = await seen(count);
    expect(total).toBeGreaterThan(3000);
  });
});

describe('an answer that no message holds', () => {
  it('leaves its frame unanswered, and the worker alive', async () => {
    const folder = folders.make();
    const side = 512;
    const preprocessing = grayInput(side, side, { layout: 'flat' });
    const bytes = mirrorModel([1, side * side]);
    await writeTaskRelease(folder, [{ id: 'vector', task: 'embedding', labels: [], preprocessing, bytes }]);
    const handle = await worker(folder);
    const frame = { source: 'noise', picture: raw(new Uint8Array(side * side).fill(7), side, side) };
    await expect(handle.infer(frame)).rejects.toMatchObject({
      code: 'frame-failed',
      message: expect.stringContaining('too long to be told'),
    });
    const empty = { source: 'empty', picture: raw(new Uint8Array(side * side), side, side) };
    await expect(handle.infer(empty)).rejects.toMatchObject({
      code: 'frame-failed',
      message: expect.stringContaining('a vector with a direction'),
    });
  });
});
