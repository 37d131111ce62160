import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { deviceRoutes, deviceTopics } from '@aviary/protocol';
import { connect, type MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Identity } from '../../apps/agent/src/identity/identity.ts';
import {
  captureFromSource,
  grayPng,
  TemporaryFolders,
  workerFromSource,
} from '../../apps/agent/src/inference/testing/light-release.ts';
import { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { Journal } from '../../apps/agent/src/state/journal.ts';
import { startSupervisor } from '../../apps/agent/src/supervisor.ts';
import { identity as fixed, type SealedRelease } from '../../apps/agent/src/testing/sealed-release.ts';
import { sealFolder, writeTrainableRelease } from '../../apps/agent/src/testing/trainable-release.ts';
import { trainerFromSource } from '../../apps/agent/src/testing/trainer-from-source.ts';
import { createMemoryLog } from '../support/memory-log.ts';
import { until } from '../support/test-fleet.ts';
import { TestPlane } from '../support/test-plane.ts';

/** With which the release can be opened. */
const { ageIdentity } = fixed;
const folders = new TemporaryFolders();
let plane: TestPlane;
let release: SealedRelease;
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  plane = await TestPlane.start();
  release = await sealFolder(await writeTrainableRelease(folders.make()));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  folders.remove();
  await plane.stop();
});

/** A device of the fleet that serves a release, and reports five times a second. */
const startDevice = async (name: string) => {
  const { identity, stateDirectory } = await plane.join(name);
  const pictures = join(stateDirectory, 'pictures');
  await mkdir(pictures);
  await writeFile(join(pictures, '1.png'), await grayPng(255));
  await mkdir(join(stateDirectory, 'releases'));
  await writeFile(join(stateDirectory, 'releases', release.held.sha256), release.sealed);
  await (await Journal.open(stateDirectory, identity)).update(() => ({ committed: release.held }));
  const { log, lines } = createMemoryLog();
  const supervisor = await startSupervisor(
    { ...identity, ageIdentity },
    exampleFacts('rpi4'),
    {
      stateDirectory,
      source: { kind: 'directory', path: pictures },
      fps: 5,
      telemetrySeconds: 0.2,
      pollSeconds: 0.2,
      spoolBytes: 2 ** 20,
      patienceSeconds: 30,
      plaintextDirectory: join(stateDirectory, 'plain'),
      socket: null,
      learnSamples: null,
      worker: workerFromSource,
      capture: captureFromSource,
      trainer: trainerFromSource,
    },
    log,
  );
  const { deviceId } = identity;
  await until('the device being online', 30, async () =>
    (await show(deviceId)).presence === 'online' ? true : undefined,
  );
  const stop = () => supervisor.stop();
  return { identity, deviceId, stop, topics: deviceTopics(deviceId), said: () => lines.map(({ msg }) => msg), lines };
};

const show = (deviceId: string) => plane.services.devices.summary(deviceId);
/** Numbers of the telemetry of a device that is stored, in their order. */
const stored = async (deviceId: string): Promise<number[]> => {
  const text = 'select seq from telemetry_batch where device_id = $1 order by seq';
  return (await plane.database.query<{ seq: string }>(text, [deviceId])).map(({ seq }) => Number(seq));
};

/** Somebody with a device's keys, and a client of their own. @returns undefined when the gateway does not let them in */
const connectAs = ({ deviceId, mqttUrl, key, certificate, fleetCa }: Identity, clientId = deviceId) =>
  new Promise<MqttClient | undefined>((resolve) => {
    const client = connect(mqttUrl, { clientId, clean: true, reconnectPeriod: 0, key, cert: certificate, ca: fleetCa });
    ends.push(() => client.end(true));
    client.on('error', () => undefined);
    client.once('connect', () => resolve(client));
    client.once('close', () => resolve(undefined));
  });

describe('revoked device', () => {
  it('loses its session within seconds, and is heard and answered no more', async () => {
    const { identity, deviceId, stop, said, lines } = await startDevice('stolen');
    ends.push(stop);
    await expect.poll(async () => (await stored(deviceId)).length).toBeGreaterThan(0);
    await plane.services.revocation.revoke(deviceId, 'ana');
    await expect.poll(said).toContain('the connection to the gateway has ended');
    const before = (await stored(deviceId)).length;
    // What it has it shows again: its agent goes on asking and connecting, and somebody else tries by hand.
    expect(await connectAs(identity)).toBeUndefined();
    const api = new DeviceApi(plane.deviceUrl, identity);
    ends.push(() => api.close());
    await expect(api.call(deviceRoutes.assignment, {})).rejects.toMatchObject({ problem: { code: 'device-revoked' } });
    const refusals = () => lines.filter(({ error }) => String(error).includes('was revoked'));
    await expect.poll(() => refusals().length).toBeGreaterThan(1);
    expect((await stored(deviceId)).length).toBe(before);
    expect(await show(deviceId)).toMatchObject({ presence: 'offline' });
  });
});

describe('topic spoofing', () => {
  let victim: Awaited<ReturnType<typeof startDevice>>;
  let thief: Identity;
  beforeAll(async () => {
    victim = await startDevice('honest');
    ({ identity: thief } = await plane.join('curious'));
  });
  afterAll(() => victim.stop());

  const ATTEMPTS: [string, (topics: ReturnType<typeof deviceTopics>) => [topic: string, payload: string]][] = [
    ['telemetry of another device', ({ telemetry }) => [telemetry, forgedBatch()]],
    ['the absence of another device', ({ presence }) => [presence, '{"online":false,"session":99,"agentVersion":"1"}']],
    ['an acknowledgement to another device', ({ ack }) => [ack, '{"epoch":1,"seq":1000000}']],
    ['a doorbell to another device', ({ doorbell }) => [doorbell, '{"reason":"assignment"}']],
  ];
  /** With a number that nobody has used yet. */
  const forgedBatch = (): string => {
    const records = [{ type: 'event', at: 1, level: 'error', code: 'forged', message: 'forged by another device' }];
    return JSON.stringify({ epoch: 1, seq: 1_000, records });
  };

  it.each(ATTEMPTS)('with %s comes to nothing', async (_, forge) => {
    const client = await connectAs(thief);
    const [topic, payload] = forge(victim.topics);
    const ended = new Promise<string>((resolve) => client?.once('close', () => resolve('ended')));
    const published = client?.publishAsync(topic, payload, { qos: 1 }).then(() => 'taken');
    published?.catch(() => undefined);
    expect(await Promise.race([ended, published?.catch(() => 'refused')])).not.toBe('taken');
    // The victim goes on as before: online, heard, and without a hole.
    const count = (await stored(victim.deviceId)).length;
    await expect.poll(async () => (await stored(victim.deviceId)).length).toBeGreaterThan(count + 1);
    const numbers = await stored(victim.deviceId);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(await show(victim.deviceId)).toMatchObject({ presence: 'online' });
    expect(victim.said()).not.toContain('the connection to the gateway has ended');
  });

  it('under another device’s name is not let in', async () => {
    expect(await connectAs(thief, victim.deviceId)).toBeUndefined();
    expect(await show(victim.deviceId)).toMatchObject({ presence: 'online' });
  });

  it('by listening hears nothing of what another device is told, or says', async () => {
    const client = await connectAs(thief);
    const heard: string[] = [];
    client?.on('message', (topic) => heard.push(topic));
    for (const filter of [victim.topics.down, victim.topics.telemetry, 'aviary/v1/d/+/down/#', '#']) {
      await expect(client?.subscribeAsync(filter)).rejects.toThrow();
    }
    const count = (await stored(victim.deviceId)).length;
    await expect.poll(async () => (await stored(victim.deviceId)).length).toBeGreaterThan(count + 2);
    expect(heard).toEqual([]);
  });
});
