import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyUpdate, decodeHead } from '@aviary/federation';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { TemporaryFolders } from '../../inference/testing/light-release.ts';
import { niceOf, processesWith } from '../../testing/processes.ts';
import { type TrainableRelease, writeTrainableRelease } from '../../testing/trainable-release.ts';
import { trainerFromSource } from '../../testing/trainer-from-source.ts';
import { runTrainer } from '../trainer-handle.ts';
import { judgeHead } from './judge-head.ts';
import { sampleOrder } from './sample-order.ts';
import { encodeBody, type LabelledFeatures } from './samples-body.ts';
import type { TrainerRequest } from './trainer-messages.ts';

const folders = new TemporaryFolders();
const never = new AbortController().signal;
const ROUND = '0b6c7a52-5d4c-4f0a-9d0b-1b2f3c4d5e6f';
let release: TrainableRelease;
beforeAll(async () => {
  release = await writeTrainableRelease(folders.make());
});
afterAll(() => folders.remove());

/** Numbers that look random and are the same every time. */
const noise = (index: number): number => {
  const value = Math.sin(index * 12.9898 + 4.1414) * 43758.5453;
  return value - Math.floor(value);
};
const samplesOf = (count: number): LabelledFeatures => ({
  labels: Uint32Array.from({ length: count }, (_, i) => (noise(i * 7) < 0.5 ? 0 : 1)),
  features: Float32Array.from({ length: count * 4 }, (_, i) => 2 * noise(i) - 0.5),
});
const requestOf = (
  samples: LabelledFeatures,
  epochs: number,
  seed = 7,
): Extract<TrainerRequest, { kind: 'train' }> => ({
  kind: 'train',
  modelFile: 'model.onnx',
  training: release.training,
  samples: samples.labels.length,
  how: { epochs, batchSize: 16, learningRate: 0.3, seed },
  round: ROUND,
});
const train = async (samples: LabelledFeatures, epochs: number, seed?: number) => {
  const body = encodeBody(samples, new Float32Array(0));
  const { reply, body: update } = await runTrainer(
    release.folder,
    requestOf(samples, epochs, seed),
    body,
    never,
    trainerFromSource,
  );
  return { loss: reply.kind === 'trained' ? reply.loss : Number.NaN, update: Buffer.from(update) };
};

/** Stochastic gradient descent of softmax regression in 64 bits, written for this test alone. */
const referenceHead = (samples: LabelledFeatures, { how }: ReturnType<typeof requestOf>): Float64Array => {
  const head = Float64Array.from(release.head);
  for (let epoch = 0; epoch < how.epochs; epoch += 1) {
    const order = [...sampleOrder(samples.labels.length, how.seed, ROUND, epoch)];
    while (order.length > 0) {
      const batch = order.splice(0, how.batchSize);
      const gradient = new Float64Array(head.length);
      for (const sample of batch) {
        const x = [...samples.features.subarray(sample * 4, sample * 4 + 4), 1];
        const scores = [0, 1].map((k) =>
          Math.exp(x.reduce((sum, value, i) => sum + value * (head[i * 2 + k] ?? 0), 0)),
        );
        const total = (scores[0] ?? 0) + (scores[1] ?? 0);
        for (const k of [0, 1]) {
          const error = (scores[k] ?? 0) / total - (samples.labels[sample] === k ? 1 : 0);
          x.forEach((value, i) => {
            gradient[i * 2 + k] = (gradient[i * 2 + k] ?? 0) + (value * error) / batch.length;
          });
        }
      }
      gradient.forEach((value, i) => {
        head[i] = (head[i] ?? 0) - how.learningRate * value;
      });
    }
  }
  return head;
};

/** Trainers that work on this test's release. */
const trainers = (): number[] => processesWith('trainer-main', release.folder);

describe('the trainer', () => {
  it.each([
    [1, 50],
    [1, 64],
    [5, 50],
    [1, 3],
  ])('is local gradient descent: %i epochs over %i samples, against 64 bits', async (epochs, count) => {
    const samples = samplesOf(count);
    const { update, loss } = await train(samples, epochs);
    const next = applyUpdate(release.head, decodeHead(update, release.training));
    const reference = referenceHead(samples, requestOf(samples, epochs));
    const differences = [...reference].map((value, i) => Math.abs(value - (next[i] ?? Number.NaN)));
    expect(Math.max(...differences)).toBeLessThan(1e-6);
    expect(update.some((byte) => byte !== 0)).toBe(true);
    expect(loss).toBeCloseTo(judgeHead(samples, next, release.training).loss, 6);
    expect(loss).toBeLessThan(judgeHead(samples, release.head, release.training).loss);
  });

  it('comes to the same bytes again, and to others with another seed', async () => {
    const samples = samplesOf(100);
    const [once, again, other] = [await train(samples, 3), await train(samples, 3), await train(samples, 3, 8)];
    expect(again.update.equals(once.update)).toBe(true);
    expect(again.loss).toBe(once.loss);
    expect(other.update.equals(once.update)).toBe(false);
  });

  it('answers samples with the head that serves, and with the one that an update makes of it', async () => {
    const samples = samplesOf(60);
    const { update, loss } = await train(samples, 20);
    const request = { ...requestOf(samples, 1), kind: 'evaluate' as const };
    const body = encodeBody(samples, decodeHead(update, release.training));
    const { reply } = await runTrainer(release.folder, request, body, never, trainerFromSource);
    expect(reply).toMatchObject({ kind: 'evaluated', base: judgeHead(samples, release.head, release.training) });
    expect(reply.kind === 'evaluated' && reply.candidate.loss).toBeCloseTo(loss, 6);
  });

  it('trains no other head than the one that the release was published with', async () => {
    const samples = samplesOf(10);
    const request = { ...requestOf(samples, 1), training: { ...release.training, base: 'f'.repeat(64) } };
    const body = encodeBody(samples, new Float32Array(0));
    await expect(runTrainer(release.folder, request, body, never, trainerFromSource)).rejects.toMatchObject({
      code: 'head-stale',
    });
  });

  it('says that the numbers ran away', async () => {
    const samples = samplesOf(64);
    samples.features.fill(3e30);
    await expect(train(samples, 2)).rejects.toMatchObject({ code: 'training-diverged' });
  });

  it('says in its own words what it could not do', async () => {
    const samples = samplesOf(10);
    const request = { ...requestOf(samples, 1), training: { ...release.training, step: 'training/none.onnx' } };
    const body = encodeBody(samples, new Float32Array(0));
    await expect(runTrainer(release.folder, request, body, never, trainerFromSource)).rejects.toMatchObject({
      code: 'training-failed',
      message: expect.stringContaining('none.onnx'),
    });
  });

  it('has a low priority, and is gone the moment that it is not wanted any more', async () => {
    const samples = samplesOf(2_000);
    const body = encodeBody(samples, new Float32Array(0));
    const unwanted = new AbortController();
    const running = runTrainer(release.folder, requestOf(samples, 1_000_000), body, unwanted.signal, trainerFromSource);
    const ended = expect(running).rejects.toThrow('unwanted');
    onTestFinished(() => unwanted.abort());
    // Looked for anew each time: while a process becomes another program it has no command line.
    await expect.poll(() => trainers().map(niceOf), { timeout: 20_000 }).toEqual([10]);
    unwanted.abort(new Error('unwanted'));
    await ended;
    expect(trainers()).toEqual([]);
  });

  it('ends by itself when its supervisor is killed', async () => {
    const samples = samplesOf(2_000);
    const folder = folders.make();
    writeFileSync(join(folder, 'body'), encodeBody(samples, new Float32Array(0)));
    const values = { folder: release.folder, request: requestOf(samples, 1_000_000), options: trainerFromSource };
    const script = `
      import { readFileSync } from 'node:fs';
      import { runTrainer } from ${JSON.stringify(new URL('../trainer-handle.ts', import.meta.url).href)};
      const { folder, request, options } = ${JSON.stringify(values)};
      const body = readFileSync(${JSON.stringify(join(folder, 'body'))});
      await runTrainer(folder, request, body, new AbortController().signal, options);`;
    const flags = ['--conditions=aviary-source', '--input-type=module', '-e', script];
    const supervisor = spawn(process.execPath, flags, { stdio: 'ignore' });
    const working = () => processesWith('trainer-main', release.folder).filter((pid) => pid !== supervisor.pid);
    await expect.poll(() => working().length, { timeout: 60_000 }).toBe(1);
    supervisor.kill('SIGKILL');
    await expect.poll(working, { timeout: 60_000 }).toEqual([]);
  });

  it('is ended when it takes more memory than it may', async () => {
    const samples = samplesOf(2_000);
    const body = encodeBody(samples, new Float32Array(0));
    const options = { ...trainerFromSource, maxMB: 10 };
    await expect(runTrainer(release.folder, requestOf(samples, 1_000_000), body, never, options)).rejects.toMatchObject(
      { code: 'trainer-memory', message: expect.stringContaining('MB') },
    );
    expect(trainers()).toEqual([]);
  });
});
