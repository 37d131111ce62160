import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../seeded-random.ts';
import { profileRelease } from './release-profile.ts';
import { grayInput } from './testing/light-manifest.ts';
import { TemporaryFolders, workerFromSource, writeLightRelease } from './testing/light-release.ts';
import { convolutionModel } from './testing/test-models.ts';
import type { WorkerOptions } from './worker-process.ts';

const SIDE = 32;
const FRAMES = 6;

const folders = new TemporaryFolders();
const { signal } = new AbortController();
let archiveDirectory = '';

beforeAll(async () => {
  const shape = { side: SIDE, channels: 16, depth: 4, outputs: 2 };
  archiveDirectory = await writeLightRelease(folders.make(), {
    manifest: { preprocessing: grayInput(SIDE, SIDE) },
    model: convolutionModel(shape, seededRandom('profile')),
  });
});
afterAll(() => folders.remove());

const profile = (change: Partial<WorkerOptions> = {}, frames = FRAMES, until = signal) =>
  profileRelease(
    { archiveDirectory, providers: ['cpu'], profileFolder: folders.make(), ...workerFromSource, ...change },
    frames,
    until,
  );

/** What ONNX Runtime says of the same model when nothing of ours is between. */
const profiledDirectly = async (runs: number) => {
  const folder = mkdtempSync(join(folders.make(), 'direct-'));
  const session = await InferenceSession.create(join(archiveDirectory, 'model.onnx'), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    enableProfiling: true,
    profileFilePrefix: join(folder, 'p'),
  });
  const values = new Float32Array(SIDE * SIDE).fill(0.5);
  for (let i = 0; i < runs; i += 1) await session.run({ x: new Tensor('float32', values, [1, 1, SIDE, SIDE]) });
  session.endProfiling();
  await session.release();
  const [file] = readdirSync(folder);
  const events: { cat: string; name: string; args: { op_name: string; provider: string } }[] = JSON.parse(
    readFileSync(join(folder, file ?? ''), 'utf8'),
  );
  return events
    .filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'))
    .map(({ name, args }) => `${name.replace(/_kernel_time$/, '')} ${args.op_name} ${args.provider}`);
};

describe('the profile of a release', () => {
  it('has the nodes that ONNX Runtime itself reports, each run as often, and no more time than its runs', async () => {
    const { release, provider, report } = await profile();
    expect(release).toBe('light-reader@1.0.0');
    expect(provider.effective).toBe('cpu');
    expect(report).toMatchObject({ frames: FRAMES, runs: FRAMES });
    const direct = await profiledDirectly(1);
    expect(report.operators).toBe(direct.length);
    expect(report.slowest.map(({ name, type, provider: on }) => `${name} ${type} ${on}`).sort()).toEqual(direct.sort());
    for (const { calls, model } of report.slowest) expect({ calls, model }).toEqual({ calls: FRAMES, model: null });
    expect(report.operatorUs).toBeGreaterThan(0);
    expect(report.operatorUs).toBeLessThanOrEqual(report.runUs);
    expect(report.slowest.reduce((sum, { totalUs }) => sum + totalUs, 0)).toBeCloseTo(report.operatorUs);
    expect(report.types.reduce((sum, { calls }) => sum + calls, 0)).toBe(FRAMES * direct.length);
    // The convolutions are nearly all of this model.
    expect(report.slowest[0]?.type).toMatch(/Conv/);
  });

  it('runs pictures of the suite over again when more are asked for than there are', async () => {
    const { report } = await profile({}, 10);
    expect(report).toMatchObject({ frames: 10, runs: 10 });
  });

  it('is none where the release does not load, and says why', async () => {
    const broken = await writeLightRelease(folders.make());
    writeFileSync(join(broken, 'model.onnx'), 'no model');
    await expect(profile({ archiveDirectory: broken })).rejects.toMatchObject({ code: 'worker-start-failed' });
  });

  it('is none where a picture of the suite is gone', async () => {
    const incomplete = await writeLightRelease(folders.make());
    writeFileSync(join(incomplete, 'acceptance/01.png'), 'no picture');
    await expect(profile({ archiveDirectory: incomplete })).rejects.toMatchObject({ code: 'profile-failed-to-run' });
  });

  it('is broken off, and leaves no process', async () => {
    const controller = new AbortController();
    const running = profile({}, 200, controller.signal);
    controller.abort(new Error('another release serves'));
    await expect(running).rejects.toThrow('another release serves');
    await expect(profile({}, 1, controller.signal)).rejects.toThrow('another release serves');
  });
});
