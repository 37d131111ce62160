import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { deviceTopics, type OperatorProfileRecord } from '@aviary/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { askMetrics } from './testing/local-client.ts';
import { processesWith } from './testing/processes.ts';
import { RoundServer } from './testing/round-server.ts';
import { sealLightRelease } from './testing/sealed-light-release.ts';
import { identity, type SealedRelease } from './testing/sealed-release.ts';
import { supervisedDevices } from './testing/supervised-device.ts';

const { prepare, start, storingGateway, pki, onEnd } = supervisedDevices();
const { doorbell } = deviceTopics(identity.deviceId);
const WAIT = { timeout: 30_000 };
let light: SealedRelease;

beforeAll(async () => {
  light = await sealLightRelease('light-reader@1.0.0');
});

/** A device that serves and is connected, and how to ask it for a profile. */
const startDevice = async (release: SealedRelease) => {
  const server = new RoundServer();
  const deviceUrl = await server.start(pki());
  onEnd(() => server.stop());
  const { gateway, mqttUrl, records } = await storingGateway();
  const { options } = await prepare(release, { source: null });
  await start(options, { mqttUrl, deviceUrl });
  const answers = () =>
    records().filter((record): record is OperatorProfileRecord => record.type === 'operator-profile');
  const request = (frames: number): string => {
    const id = randomUUID();
    server.profileTask = { id, frames, expiresAt: Date.now() + 600_000 };
    gateway.publish(doorbell, '{"reason":"operator-profile"}');
    return id;
  };
  const isServing = () => records().some((record) => record.type === 'running' && record.release !== null);
  return { answers, request, isServing, options };
};

describe('a device that is asked for an operator profile', () => {
  it('measures what serves in a process of its own, counts none of it as frames, and sends it once', async () => {
    const { answers, request, isServing, options } = await startDevice(light);
    await expect.poll(isServing, WAIT).toBe(true);
    const id = request(12);
    await expect.poll(answers, WAIT).toHaveLength(1);
    const [answer] = answers();
    expect(answer).toMatchObject({ request: id, refusal: null });
    expect(answer?.profile).toMatchObject({
      release: 'light-reader@1.0.0',
      digest: light.held.digest,
      provider: 'cpu',
      frames: 12,
      runs: 12,
    });
    expect(answer?.profile?.slowest.map(({ type }) => type)).toContain('Gemm');
    const { text: metrics } = await askMetrics(options.socket ?? '');
    expect(metrics).toContain('aviary_agent_frames_total{origin="source"} 0\n');
    expect(metrics).toContain('aviary_agent_frames_total{origin="request"} 0\n');
    // The worker that serves is left, and nothing of the other one.
    await expect.poll(() => processesWith('worker-main', options.stateDirectory).length, WAIT).toBe(1);
    expect((await readdir(options.plaintextDirectory ?? '')).filter((name) => name.includes('profile'))).toEqual([]);
    expect(answers()).toHaveLength(1);
  });
});
