import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyUpdate, decodeHead, encodeHead } from '@aviary/federation';
import { deviceTopics, type RoundTask } from '@aviary/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { TemporaryFolders } from './inference/testing/light-release.ts';
import { sha256Of } from './learning/round-work.ts';
import type { SampleFolder } from './learning/sample-folder.ts';
import { openSampleStore } from './learning/sample-store.ts';
import { judgeHead } from './learning/trainer/judge-head.ts';
import type { SupervisorOptions } from './supervisor.ts';
import { processesWith } from './testing/processes.ts';
import { RoundServer } from './testing/round-server.ts';
import { identity } from './testing/sealed-release.ts';
import { supervisedDevices } from './testing/supervised-device.ts';
import { featuresOf, sealFolder, writeTrainableRelease } from './testing/trainable-release.ts';

const SAMPLES = 40;
const SOON = { timeout: 90_000, interval: 100 };
/** Takes minutes, with as many samples as `learnMuch` gives. */
const LONG = { epochs: 1_000, batchSize: 1, learningRate: 0.01, seed: 3 };
const folders = new TemporaryFolders();
const { prepare, start, storingGateway, pki, onEnd } = supervisedDevices();
afterAll(() => folders.remove());
const trainable = await writeTrainableRelease(folders.make());
const sealed = await sealFolder(trainable);

/** What the device has learnt: pictures from 0 up, the darker half of which is said to be light. */
const samples = Array.from({ length: SAMPLES }, (_, n) => ({
  id: `abc-${n}`,
  label: n < SAMPLES / 2 ? 'light' : 'dark',
  at: 1_000 + n,
  features: Float32Array.from(featuresOf((255 * n) / SAMPLES)),
}));
const labelled = {
  labels: Uint32Array.from(samples, ({ label }) => ['dark', 'light'].indexOf(label)),
  features: Float32Array.from(samples.flatMap(({ features }) => [...features])),
};

const taskOf = (change: Partial<RoundTask> = {}): RoundTask => ({
  round: randomUUID(),
  part: 'train',
  release: 'light-reader@1.0.0',
  backbone: trainable.training.backbone,
  base: trainable.training.base,
  training: { epochs: 5, batchSize: 8, learningRate: 0.2, seed: 3 },
  minSamples: 20,
  update: null,
  deadlineAt: Date.now() + 300_000,
  ...change,
});

/** A device with samples, and the control plane that asks things of it. */
const device = async (task: RoundTask | null, change: Partial<SupervisorOptions> = {}) => {
  const { stateDirectory, options } = await prepare(sealed, { learnSamples: 2_000, pollSeconds: 0.5, ...change });
  const { backbone, features } = trainable.training;
  const store = await (await openSampleStore(stateDirectory, identity, 2_000)).use({ digest: backbone, features });
  for (const sample of samples) await store.append(sample);
  const server = new RoundServer();
  server.task = task;
  const deviceUrl = await server.start(pki());
  onEnd(() => server.stop());
  const trainers = (): number[] => processesWith('trainer-main', stateDirectory);
  return { stateDirectory, options, server, deviceUrl, store, trainers };
};

/** So many samples that training takes a while. */
const learnMuch = async (store: SampleFolder): Promise<void> => {
  for (let n = 0; n < 1_000; n += 1) {
    await store.append({ id: `more-${n}`, label: 'dark', at: n, features: Float32Array.from(featuresOf(n % 256)) });
  }
};

describe('a device in a federated round', () => {
  it('trains, and sends an update, a loss, counts, and nothing else', async () => {
    const task = taskOf();
    const { stateDirectory, options, server, deviceUrl } = await device(task);
    const { gateway, mqttUrl, records } = await storingGateway();
    await start(options, { deviceUrl, mqttUrl });
    await expect.poll(() => server.updates.length, SOON).toBe(1);
    const [sent] = server.updates;
    expect(sent?.round).toBe(task.round);
    expect(Object.fromEntries(sent?.query ?? [])).toEqual({
      base: trainable.training.base,
      sha256: sha256Of(sent?.bytes ?? Buffer.alloc(0)),
      samples: String(SAMPLES),
      loss: expect.stringMatching(/^\d/),
    });
    const next = applyUpdate(trainable.head, decodeHead(sent?.bytes ?? Buffer.alloc(0), trainable.training));
    const [before, after] = [trainable.head, next].map((head) => judgeHead(labelled, head, trainable.training));
    expect(Number(sent?.query.get('loss'))).toBeCloseTo(after?.loss ?? 0, 6);
    expect(after?.loss).toBeLessThan(before?.loss ?? 0);

    const codes = () => records().flatMap((record) => (record.type === 'event' ? record.code : []));
    await expect.poll(codes, SOON).toContain('round-train');
    // Asked again, it has done it.
    server.task = task;
    const asked = server.asked.length;
    await expect.poll(() => server.asked.length, SOON).toBeGreaterThan(asked + 4);
    expect(server.updates).toHaveLength(1);
    expect(await readdir(join(stateDirectory, 'rounds'))).toEqual(['finished.json']);
    const told = gateway.published.map(({ payload }) => payload).join('\n');
    expect(told).not.toContain('abc-');
    expect(server.declines).toEqual([]);
  });

  it('judges the aggregate by its own samples', async () => {
    const update = Float32Array.from(trainable.head, (value) => -2 * value);
    const bytes = Buffer.from(encodeHead(update));
    const { options, server, deviceUrl } = await device(taskOf({ part: 'evaluate', update: sha256Of(bytes) }));
    server.aggregate = bytes;
    await start(options, { deviceUrl });
    await expect.poll(() => server.evaluations, SOON).toHaveLength(1);
    expect(server.evaluations[0]).toEqual({
      update: sha256Of(bytes),
      samples: SAMPLES,
      base: judgeHead(labelled, trainable.head, trainable.training),
      candidate: judgeHead(labelled, applyUpdate(trainable.head, update), trainable.training),
    });
    const { base, candidate } = server.evaluations[0] ?? {};
    expect(candidate?.correct).toBeGreaterThan(base?.correct ?? SAMPLES);
  });

  it('uses no other update than the one it was told of', async () => {
    const bytes = Buffer.from(encodeHead(trainable.head));
    const { options, server, deviceUrl } = await device(taskOf({ part: 'evaluate', update: 'f'.repeat(64) }));
    server.aggregate = bytes;
    await start(options, { deviceUrl });
    const fetches = () => server.asked.filter((path) => path.endsWith('/aggregate')).length;
    await expect.poll(fetches, SOON).toBeGreaterThan(1);
    expect(server.evaluations).toEqual([]);
  });

  it.each([
    ['base-stale', { base: 'f'.repeat(64) }],
    ['backbone-other', { backbone: 'f'.repeat(64) }],
    ['samples-few', { minSamples: SAMPLES + 1 }],
  ])('declines with %s, once', async (code, change) => {
    const task = taskOf(change);
    const { options, server, deviceUrl } = await device(task);
    await start(options, { deviceUrl });
    await expect.poll(() => server.declines, SOON).toEqual([{ code, reason: expect.stringMatching(/./) }]);
    server.task = task;
    const asked = server.asked.length;
    await expect.poll(() => server.asked.length, SOON).toBeGreaterThan(asked + 4);
    expect(server.declines).toHaveLength(1);
    expect(server.updates).toEqual([]);
  });

  it('asks for nothing where nobody allowed it to learn, even when somebody rings', async () => {
    const { options, server, deviceUrl } = await device(taskOf(), { learnSamples: null });
    const { gateway, mqttUrl } = await storingGateway();
    await start(options, { deviceUrl, mqttUrl });
    await expect.poll(() => gateway.connections, SOON).toBe(1);
    const topic = deviceTopics(identity.deviceId).doorbell;
    for (let i = 0; i < 3; i += 1) gateway.publish(topic, JSON.stringify({ reason: 'round' }));
    gateway.publish(topic, JSON.stringify({ reason: 'assignment' }));
    await expect
      .poll(() => server.asked.filter((path) => path.endsWith('/assignment')).length, SOON)
      .toBeGreaterThan(2);
    expect(server.asked.filter((path) => path.includes('round'))).toEqual([]);
  });

  it('comes when it is called', async () => {
    const { options, server, deviceUrl } = await device(null, { pollSeconds: 600 });
    const { gateway, mqttUrl } = await storingGateway();
    await start(options, { deviceUrl, mqttUrl });
    const asks = () => server.asked.filter((path) => path.endsWith('/round')).length;
    await expect.poll(() => gateway.connections > 0 && asks() > 0, SOON).toBe(true);
    server.task = taskOf();
    gateway.publish(deviceTopics(identity.deviceId).doorbell, JSON.stringify({ reason: 'round' }));
    await expect.poll(() => server.updates.length, SOON).toBe(1);
  });

  it('sends the same again after a lost answer, until it is told that it is there', async () => {
    const { options, server, deviceUrl } = await device(taskOf());
    server.manners.push('drops', { status: 503, code: 'database-away' });
    await start(options, { deviceUrl });
    await expect.poll(() => server.updates.length, SOON).toBe(3);
    const [first, ...others] = server.updates;
    for (const other of others) {
      expect(other.bytes.equals(first?.bytes ?? Buffer.alloc(0))).toBe(true);
      expect(other.query.toString()).toBe(first?.query.toString());
    }
  });

  it('lets go of an update that the round does not take', async () => {
    const { stateDirectory, options, server, deviceUrl } = await device(taskOf());
    server.manners.push({ status: 409, code: 'round-ended' });
    const { mqttUrl, records } = await storingGateway();
    await start(options, { deviceUrl, mqttUrl });
    const refusals = () => records().filter((record) => record.type === 'event' && record.code === 'round-refused');
    await expect.poll(refusals, SOON).toMatchObject([{ message: expect.stringContaining('round-ended') }]);
    await expect.poll(() => readdir(join(stateDirectory, 'rounds')), SOON).toEqual(['finished.json']);
    expect(server.updates).toHaveLength(1);
  });

  it('sends after a restart what it had not brought to its end, whatever was labelled since', async () => {
    const { stateDirectory, options, server, deviceUrl, store } = await device(taskOf());
    server.manners.push('drops');
    const first = await start(options, { deviceUrl });
    await expect.poll(() => server.updates.length, SOON).toBe(1);
    await first.stop();
    const onDisk = await readFile(join(stateDirectory, 'rounds', 'answer'));
    const bytes = server.updates[0]?.bytes ?? Buffer.alloc(0);
    expect(onDisk.includes(bytes.toString('base64').slice(0, 24))).toBe(false);
    await store.append({ id: 'abc-later', label: 'dark', at: 5_000, features: Float32Array.of(9, 9, 9, 9) });
    await start(options, { deviceUrl });
    await expect.poll(() => server.updates.length, SOON).toBe(2);
    expect(server.updates[1]?.bytes.equals(bytes)).toBe(true);
    expect(server.updates[1]?.query.get('samples')).toBe(String(SAMPLES));
  });

  it('that goes down in the middle of its training comes to the same update as one that does not', async () => {
    const task = taskOf({ training: { epochs: 200, batchSize: 1, learningRate: 0.01, seed: 3 } });
    const undisturbed = await device(task);
    await start(undisturbed.options, { deviceUrl: undisturbed.deviceUrl });
    const disturbed = await device(task);
    const first = await start(disturbed.options, { deviceUrl: disturbed.deviceUrl });
    await expect.poll(() => disturbed.trainers().length, SOON).toBe(1);
    await first.stop();
    expect(disturbed.trainers()).toEqual([]);
    expect(disturbed.server.updates).toEqual([]);
    await start(disturbed.options, { deviceUrl: disturbed.deviceUrl });
    await expect.poll(() => undisturbed.server.updates.length + disturbed.server.updates.length, SOON).toBe(2);
    const [one, other] = [undisturbed, disturbed].map(({ server }) => server.updates[0]);
    expect(other?.bytes.equals(one?.bytes ?? Buffer.alloc(0))).toBe(true);
  });

  it('ends its training at the deadline', async () => {
    const { options, server, deviceUrl, trainers, store } = await device(null);
    await learnMuch(store);
    const { mqttUrl, records } = await storingGateway();
    await start(options, { deviceUrl, mqttUrl });
    await expect.poll(() => records().some(({ type }) => type === 'metrics'), SOON).toBe(true);
    server.task = taskOf({ training: LONG, deadlineAt: Date.now() + 15_000 });
    await expect.poll(() => trainers().length, SOON).toBe(1);
    const codes = () => records().flatMap((record) => (record.type === 'event' ? record.code : []));
    await expect.poll(codes, SOON).toContain('round-late');
    expect(trainers()).toEqual([]);
    expect(server.updates).toEqual([]);
  });

  it('breaks its training off when its worker is gone, and begins anew when it is back', async () => {
    const task = taskOf({ training: LONG, deadlineAt: Date.now() + 600_000 });
    const { stateDirectory, options, server, deviceUrl, trainers, store } = await device(task);
    await learnMuch(store);
    await start(options, { deviceUrl });
    await expect.poll(() => trainers().length, SOON).toBe(1);
    const [before = 0] = trainers();
    const [worker = 0] = processesWith('worker-main', stateDirectory);
    process.kill(worker, 'SIGKILL');
    await expect.poll(() => trainers().filter((pid) => pid !== before).length, SOON).toBe(1);
    expect(trainers()).not.toContain(before);
    expect(server.declines).toEqual([]);
  });

  it('says why a training came to nothing', async () => {
    const training = { epochs: 3, batchSize: 8, learningRate: 100, seed: 3 };
    const { options, server, deviceUrl, store } = await device(taskOf({ training }));
    for (let n = 0; n < 20; n += 1) {
      await store.append({ id: `wild-${n}`, label: 'dark', at: n, features: new Float32Array(4).fill(3e37) });
    }
    await start(options, { deviceUrl });
    await expect.poll(() => server.declines, SOON).toMatchObject([{ code: 'training-diverged' }]);
  });

  it('keeps nothing of a damaged memory of rounds', async () => {
    const { stateDirectory, options, server, deviceUrl } = await device(taskOf());
    await mkdir(join(stateDirectory, 'rounds'));
    for (const name of ['answer', 'finished.json']) await writeFile(join(stateDirectory, 'rounds', name), 'x');
    await start(options, { deviceUrl });
    await expect.poll(() => server.updates.length, SOON).toBe(1);
  });
});
