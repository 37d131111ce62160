import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { featuresOf, type TrainableRelease, writeTrainableRelease } from '../testing/trainable-release.ts';
import { REMEMBERED_FRAMES } from './frame.ts';
import { TemporaryFolders, writeLightRelease } from './testing/light-release.ts';
import { grayFrame, testWorkers } from './testing/test-workers.ts';

const folders = new TemporaryFolders();
const worker = testWorkers();
let trainable: TrainableRelease;

beforeAll(async () => {
  trainable = await writeTrainableRelease(folders.make());
});
afterAll(() => folders.remove());

describe("a trainable release's worker", () => {
  it('gives the features of a frame that it has answered, and of no other', async () => {
    const handle = await worker(trainable.folder);
    const [dark, light] = [await handle.infer(await grayFrame(51)), await handle.infer(await grayFrame(204))];
    expect([dark.label, light.label]).toEqual(['dark', 'light']);
    for (const [{ id }, gray] of [
      [light, 204],
      [dark, 51],
    ] as const) {
      const features = [...((await handle.features(id)) ?? [])];
      expect(features).toHaveLength(4);
      for (const [i, value] of featuresOf(gray).entries()) expect(features[i]).toBeCloseTo(value, 6);
    }
    const [session] = dark.id.split('-');
    for (const id of [`${session}-999`, `${session}-x`, `${session}`, 'other-1', '']) {
      expect(await handle.features(id)).toBeUndefined();
    }
  });

  it('remembers as many frames as it says, and gives its successor none', async () => {
    const handle = await worker(trainable.folder);
    const frame = await grayFrame(100);
    const ids: string[] = [];
    for (let i = 0; i <= REMEMBERED_FRAMES; i += 1) ids.push((await handle.infer(frame)).id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await handle.features(ids[0] ?? '')).toBeUndefined();
    expect(await handle.features(ids[1] ?? '')).toHaveLength(4);
    const successor = await worker(trainable.folder);
    const { id } = await successor.infer(frame);
    expect(ids).not.toContain(id);
    expect(await successor.features(ids.at(-1) ?? '')).toBeUndefined();
  });

  it('is refused when the model gives other features than the release says', async () => {
    const training = { ...trainable.training, features: 5 };
    const broken = await writeTrainableRelease(folders.make(), { manifest: { training } });
    await expect(worker(broken.folder)).rejects.toMatchObject({
      code: 'worker-start-failed',
      message: expect.stringContaining('expected 5 float32 features'),
    });
  });

  it('remembers nothing where the release cannot be trained', async () => {
    const handle = await worker(await writeLightRelease(folders.make()));
    const { id } = await handle.infer(await grayFrame(51));
    expect(await handle.features(id)).toBeUndefined();
  });
});
