import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { grayPng, TemporaryFolders, writeLightRelease } from './inference/testing/light-release.ts';
import { openSampleStore } from './learning/sample-store.ts';
import { ask, openResults } from './testing/local-client.ts';
import { identity } from './testing/sealed-release.ts';
import { supervisedDevices } from './testing/supervised-device.ts';
import { featuresOf, sealFolder, writeTrainableRelease } from './testing/trainable-release.ts';

const folders = new TemporaryFolders();
const { prepare, start, storingGateway } = supervisedDevices();
afterAll(() => folders.remove());
const trainable = await writeTrainableRelease(folders.make());
const sealed = await sealFolder(trainable);

/** Results of the next frames, one per picture. */
const someResults = async (socket: string, pictures: number): Promise<Map<string, { id: string; label: string }>> => {
  const found = new Map<string, { id: string; label: string }>();
  await expect
    .poll(async () => (await ask(socket, 'GET', '/healthz')).body.status, { timeout: 20_000 })
    .toBe('serving');
  const reader = await openResults(socket);
  while (found.size < pictures) {
    const event = await reader.next();
    expect(event).toBeDefined();
    found.set(event?.data.source, event?.data);
  }
  reader.close();
  return found;
};

describe('labels given to a running agent', () => {
  it('are kept with the features of their frames, counted, told, and nothing else of them is', async () => {
    const { stateDirectory, pictures, options } = await prepare(sealed, { learnSamples: 100 });
    await writeFile(join(pictures, '2.png'), await grayPng(51));
    const { gateway, mqttUrl, records } = await storingGateway();
    await start(options, { mqttUrl });
    const socket = join(stateDirectory, 'agent.sock');
    const results = await someResults(socket, 2);
    const [light, dark] = [results.get('1.png'), results.get('2.png')];
    expect([light?.label, dark?.label]).toEqual(['light', 'dark']);

    const give = (id: string | undefined, label: string) => ask(socket, 'POST', '/v1/feedback', { id, label });
    expect(await give(light?.id, 'light')).toMatchObject({ status: 200, body: { kept: true, samples: 1 } });
    expect(await give(dark?.id, 'light')).toMatchObject({ body: { kept: true, samples: 2 } });
    // The same again, as after a lost answer, and a correction.
    expect(await give(light?.id, 'light')).toMatchObject({ body: { samples: 2 } });
    expect(await give(dark?.id, 'dark')).toMatchObject({ body: { samples: 2 } });
    expect(await give(light?.id, 'purple')).toMatchObject({
      status: 422,
      body: { code: 'label-unknown', detail: expect.stringContaining('(dark, light), got "purple"') },
    });
    expect(await give('abc-1', 'dark')).toMatchObject({
      status: 404,
      body: { code: 'frame-unknown', detail: expect.stringContaining('one of the last 512 frames') },
    });
    expect((await ask(socket, 'GET', '/healthz')).body).toMatchObject({ learning: true, samples: 2 });

    const { backbone, base } = trainable.training;
    const expected = { release: 'light-reader@1.0.0', backbone, base, samples: 2, perLabel: { light: 1, dark: 1 } };
    await expect
      .poll(() => records().findLast(({ type }) => type === 'learning'), { timeout: 10_000 })
      .toMatchObject(expected);
    const learning = records().filter(({ type }) => type === 'learning');
    expect(learning[0]).toMatchObject({ samples: 0 });
    const told = gateway.published.map(({ payload }) => payload).join('\n');
    for (const id of [light?.id, dark?.id]) expect(told).not.toContain(id);

    const store = await openSampleStore(stateDirectory, identity, 100);
    const [, sample] = await (await store.use({ digest: backbone, features: 4 })).read();
    expect(sample).toMatchObject({ id: dark?.id, label: 'dark' });
    for (const [i, value] of featuresOf(51).entries()) expect(sample?.features[i]).toBeCloseTo(value, 6);
  });

  it('survive the agent, and a worker that was killed takes only its own frames with it', async () => {
    const { stateDirectory, options } = await prepare(sealed, { learnSamples: 100 });
    const socket = join(stateDirectory, 'agent.sock');
    const first = await start(options);
    const id = (await someResults(socket, 1)).get('1.png')?.id;
    expect((await ask(socket, 'POST', '/v1/feedback', { id, label: 'dark' })).body).toMatchObject({ samples: 1 });
    const unlabelled = (await someResults(socket, 1)).get('1.png')?.id;
    await first.stop();

    await start(options);
    await someResults(socket, 1);
    expect((await ask(socket, 'GET', '/healthz')).body.samples).toBe(1);
    expect((await ask(socket, 'POST', '/v1/feedback', { id, label: 'light' })).body).toMatchObject({ samples: 1 });
    expect((await ask(socket, 'POST', '/v1/feedback', { id: unlabelled, label: 'light' })).body).toMatchObject({
      code: 'frame-unknown',
    });
  });

  it('are refused where nobody allowed learning, or the release cannot', async () => {
    const off = await prepare(sealed);
    await start(off.options);
    const socket = join(off.stateDirectory, 'agent.sock');
    const id = (await someResults(socket, 1)).get('1.png')?.id;
    expect(await ask(socket, 'POST', '/v1/feedback', { id, label: 'dark' })).toMatchObject({
      status: 409,
      body: { code: 'learning-off', detail: expect.stringContaining('--learn') },
    });
    expect(await readdir(off.stateDirectory)).not.toContain('samples');

    const folder = await writeLightRelease(folders.make());
    const manifest = { ...trainable.manifest, training: undefined };
    const plain = await sealFolder({ ...trainable, folder, manifest });
    const on = await prepare(plain, { learnSamples: 10 });
    await start(on.options);
    const other = join(on.stateDirectory, 'agent.sock');
    const frame = (await someResults(other, 1)).get('1.png')?.id;
    expect(await ask(other, 'POST', '/v1/feedback', { id: frame, label: 'dark' })).toMatchObject({
      status: 409,
      body: { code: 'release-not-trainable', detail: expect.stringContaining('training:') },
    });
  });

  it('need a socket, which an agent may have none of', async () => {
    const { stateDirectory, options } = await prepare(sealed, { socket: null });
    await start(options);
    expect(await readdir(stateDirectory)).not.toContain('agent.sock');
  });
});
