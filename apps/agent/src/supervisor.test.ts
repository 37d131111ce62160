import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exampleFacts } from '@aviary/hardware';
import { deviceTopics, type TelemetryBatch, type TelemetryRecord } from '@aviary/protocol';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Identity } from './identity/identity.ts';
import {
  captureFromSource,
  grayPng,
  TemporaryFolders,
  workerFromSource,
  writeLightRelease,
} from './inference/testing/light-release.ts';
import { Journal } from './state/journal.ts';
import { type Supervisor, type SupervisorOptions, startSupervisor } from './supervisor.ts';
import { makePki } from './testing/fleet-pki.ts';
import { identity, type SealedRelease, sealRelease } from './testing/sealed-release.ts';
import { temporaryFolders } from './testing/temporary-folder.ts';
import { TestGateway } from './testing/test-gateway.ts';

const makeFolder = temporaryFolders();
const lightFolders = new TemporaryFolders();
const topics = deviceTopics('d-one');
const ends: (() => Promise<void>)[] = [];
let pki: Awaited<ReturnType<typeof makePki>>;
let light: SealedRelease;

beforeAll(async () => {
  pki = await makePki('d-one');
  const folder = await writeLightRelease(lightFolders.make());
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.includes('.'));
  const files = new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  );
  light = await sealRelease('light-reader@1.0.0', { files });
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => lightFolders.remove());

/** Processes that this one has started and that still run. */
const children = (): number =>
  readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(parent) === process.pid && state !== 'Z';
    } catch {
      return false;
    }
  }).length;

/** A device that has `light` committed and cannot reach its control plane. */
const prepare = async (change: Partial<SupervisorOptions> = {}) => {
  const stateDirectory = await makeFolder();
  await mkdir(join(stateDirectory, 'releases'));
  await writeFile(join(stateDirectory, 'releases', light.held.sha256), light.sealed);
  const journal = await Journal.open(stateDirectory, identity);
  await journal.update(() => ({ committed: light.held }));
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
    plaintextDirectory: join(stateDirectory, 'plain'),
    socket: join(stateDirectory, 'agent.sock'),
    learnSamples: null,
    worker: workerFromSource,
    capture: captureFromSource,
    ...change,
  };
  return { stateDirectory, options };
};

const start = async (options: SupervisorOptions, mqttUrl = identity.mqttUrl): Promise<Supervisor> => {
  const who: Identity = {
    ...identity,
    mqttUrl,
    fleetCa: pki.fleetCa,
    key: pki.device.key,
    certificate: pki.device.certificate,
  };
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
  return { gateway, url: `mqtts://127.0.0.1:${port}`, records };
};

describe('the supervisor', () => {
  it('serves what is committed without a control plane, and tells all of it once there is a gateway', async () => {
    const before = children();
    const { options } = await prepare();
    const { url, records } = await storingGateway();
    const supervisor = await start(options, url);
    await expect
      .poll(() => records().map(({ type }) => type), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(['facts', 'running', 'metrics']));
    const running = records().findLast((record) => record.type === 'running');
    expect(running).toMatchObject({ release: 'light-reader@1.0.0', digest: light.held.digest });
    const metrics = records().find((record) => record.type === 'metrics');
    expect(metrics).toMatchObject({ release: 'light-reader@1.0.0', errors: 0, provider: { effective: 'cpu' } });
    const codes = records().flatMap((record) => (record.type === 'event' ? record.code : []));
    expect(codes).toContain('plaintext-on-disk');
    expect(codes.filter((code) => code === 'capture-flowing')).toHaveLength(1);
    expect(children()).toBeGreaterThanOrEqual(before + 2);

    await supervisor.stop();
    expect(children()).toBe(before);
  });

  it('brings back a worker that was killed', async () => {
    const { options } = await prepare();
    const { url, records } = await storingGateway();
    await start(options, url);
    const runs = () => records().flatMap((record) => (record.type === 'running' ? [record.release] : []));
    await expect.poll(runs, { timeout: 20_000 }).toEqual(['light-reader@1.0.0']);
    const worker = readdirSync('/proc').find((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return command.includes('worker-main') && command.includes(options.stateDirectory);
      } catch {
        return false;
      }
    });
    process.kill(Number(worker), 'SIGKILL');
    await expect.poll(runs, { timeout: 20_000 }).toEqual(['light-reader@1.0.0', null, 'light-reader@1.0.0']);
    const codes = records().flatMap((record) => (record.type === 'event' ? record.code : []));
    expect(codes).toContain('worker-lost');
  });

  it('ends at once when it has hardly begun, with nothing left behind', async () => {
    const before = children();
    const { options } = await prepare();
    const supervisor = await start(options);
    await supervisor.stop();
    await expect.poll(children, { timeout: 5_000 }).toBe(before);
  });

  it('says that its journal was damaged, and goes on with the state before', async () => {
    const { stateDirectory, options } = await prepare();
    const journal = await Journal.open(stateDirectory, identity);
    await journal.update(() => ({ sequence: 3 }));
    await writeFile(join(stateDirectory, 'journal.json'), '{"version":');
    const { url, records } = await storingGateway();
    await start(options, url);
    await expect
      .poll(() => records().map((record) => (record.type === 'event' ? record.code : record.type)), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(['journal-damaged', 'running']));
    expect(await readdir(stateDirectory)).toContain('journal.json.damaged');
  });
});
