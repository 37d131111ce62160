import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { deviceTopics, type TelemetryBatch, type TelemetryRecord } from '@aviary/protocol';
import { pino } from 'pino';
import { afterEach, beforeAll } from 'vitest';
import type { Identity } from '../identity/identity.ts';
import { captureFromSource, grayPng, workerFromSource } from '../inference/testing/light-release.ts';
import { Journal } from '../state/journal.ts';
import { type Supervisor, type SupervisorOptions, startSupervisor } from '../supervisor.ts';
import { makePki, type TestPki } from './fleet-pki.ts';
import { identity, type SealedRelease } from './sealed-release.ts';
import { temporaryFolders } from './temporary-folder.ts';
import { TestGateway } from './test-gateway.ts';
import { trainerFromSource } from './trainer-from-source.ts';

const topics = deviceTopics(identity.deviceId);

/** Whole agents with real processes, whose control plane is away or a stand-in. To be called once, at the top of a test file. */
export const supervisedDevices = () => {
  const makeFolder = temporaryFolders();
  const ends: (() => Promise<void>)[] = [];
  let pki: TestPki;
  beforeAll(async () => {
    pki = await makePki(identity.deviceId);
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  /** A device that has a release committed. */
  const prepare = async (release: SealedRelease, change: Partial<SupervisorOptions> = {}) => {
    const stateDirectory = await makeFolder();
    await mkdir(join(stateDirectory, 'releases'));
    await writeFile(join(stateDirectory, 'releases', release.held.sha256), release.sealed);
    const journal = await Journal.open(stateDirectory, identity);
    await journal.update(() => ({ committed: release.held }));
    const pictures = join(stateDirectory, 'pictures');
    await mkdir(pictures);
    await writeFile(join(pictures, '1.png'), await grayPng(255));
    const options: SupervisorOptions = {
      stateDirectory,
      source: { kind: 'directory', path: pictures },
      fps: 50,
      telemetrySeconds: 1,
      pollSeconds: 60,
      spoolBytes: 2 ** 20,
      patienceSeconds: 30,
      plaintextDirectory: join(stateDirectory, 'plain'),
      socket: join(stateDirectory, 'agent.sock'),
      learnSamples: null,
      worker: workerFromSource,
      capture: captureFromSource,
      trainer: trainerFromSource,
      ...change,
    };
    return { stateDirectory, pictures, options };
  };

  const start = async (
    options: SupervisorOptions,
    change: Partial<Pick<Identity, 'mqttUrl' | 'deviceUrl' | 'ageIdentity'>> = {},
  ): Promise<Supervisor> => {
    const { fleetCa, device } = pki;
    const who: Identity = { ...identity, fleetCa, key: device.key, certificate: device.certificate, ...change };
    const supervisor = await startSupervisor(who, exampleFacts('rpi4'), options, pino({ level: 'silent' }));
    ends.push(() => supervisor.stop());
    return supervisor;
  };

  /** A gateway that stores everything, and what it has stored. */
  const storingGateway = async () => {
    const gateway = new TestGateway();
    const port = await gateway.start(pki.fleetCa, pki.server);
    ends.push(() => gateway.stop());
    let acknowledged = 0;
    const records = (): TelemetryRecord[] => {
      const batches = gateway.published
        .filter(({ topic }) => topic === topics.telemetry)
        .map(({ payload }): TelemetryBatch => JSON.parse(payload));
      const seq = batches.at(-1)?.seq ?? 0;
      if (seq > acknowledged) gateway.publish(topics.ack, JSON.stringify({ epoch: 1, seq }));
      acknowledged = seq;
      return batches.filter((batch, i) => batch.seq !== batches[i - 1]?.seq).flatMap((batch) => batch.records);
    };
    return { gateway, mqttUrl: `mqtts://127.0.0.1:${port}`, records };
  };

  return { prepare, start, storingGateway, pki: () => pki, onEnd: (end: () => Promise<void>) => void ends.push(end) };
};
