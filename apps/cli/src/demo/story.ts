import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adminRoutes, type Client, createClient, type DeviceDetail, type RolloutDetail } from '@aviary/protocol';
import { programOf, runToEnd, StayingProcess } from './child-process.ts';
import { BOARDS, DemoFleet } from './demo-fleet.ts';
import { Expectations } from './expectations.ts';
import { Narrator } from './narrator.ts';
import { followRollout } from './rollout-follower.ts';
import { makeDemoReleases } from './training/releases.ts';

const MODEL = 'meter-reader';
const AVIARY = fileURLToPath(new URL('../../bin/aviary.js', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const ONLINE_TIMEOUT_MS = 30_000;
const ROLLOUT_TIMEOUT_S = 90;
/** What "measured in the field" needs at least, over all devices. */
const FRAMES_TO_MEASURE = 1_000;
const MEASURE_TIMEOUT_MS = 40_000;
const ACCURACY_FLOOR = 0.93;

/** Short, since the demo’s fleet is six devices on one machine; a real fleet soaks for hours. */
const PROBATION = { seconds: 5, minFrames: 40, maxErrorRate: 0.05, maxLowConfidenceRate: 0.3, maxP95Ratio: 3 };

export interface DemoOptions {
  /** Emptied first, if it is a demo’s. */
  readonly directory: string;
  readonly httpPort: number;
  readonly devicePort: number;
  readonly mqttPort: number;
}

const pause = (milliseconds: number) => new Promise((resolve_) => setTimeout(resolve_, milliseconds));

/** The whole way, from training to a bad release taken back; every part checked as it is told. */
export class DemoStory {
  private readonly narrator = new Narrator();
  private readonly expectations = new Expectations(this.narrator);
  private readonly server: string;
  private controlPlane: StayingProcess | undefined;
  private fleet: DemoFleet | undefined;

  constructor(private readonly options: DemoOptions) {
    this.server = `http://127.0.0.1:${options.httpPort}`;
  }

  get address(): string {
    return this.server;
  }

  /** Tells the story to its end. @returns the summary for the last line */
  async tell() {
    try {
      this.narrator.chapter('Aviary: a model travels from a laptop to a fleet');
      await this.prepareDirectory();
      const client = await this.startControlPlane();
      const directories = await this.trainReleases();
      await this.startFleet(client);
      await this.publish(directories);
      await this.firstRelease(client);
      await this.betterRelease(client);
      await this.badRelease(client);
    } catch (error) {
      this.expectations.expect('story-told-to-its-end', false, error instanceof Error ? error.message : String(error));
    }
    return this.expectations.summary(this.narrator.seconds);
  }

  async stop(): Promise<void> {
    await this.fleet?.stop();
    await this.controlPlane?.stop();
  }

  private async prepareDirectory(): Promise<void> {
    const { directory } = this.options;
    const found = await stat(directory).catch(() => undefined);
    if (found !== undefined && (await stat(join(directory, 'demo')).catch(() => undefined)) === undefined) {
      throw new Error(`${resolve(directory)} exists and is not of a demo; choose another with --data, or remove it.`);
    }
    await rm(directory, { recursive: true, force: true });
    await mkdir(join(directory, 'demo'), { recursive: true });
  }

  private async startControlPlane(): Promise<Client<typeof adminRoutes>> {
    const { directory, httpPort, devicePort, mqttPort } = this.options;
    this.narrator.say('starting the control plane: PostgreSQL, API, MQTT gateway, conductor');
    const ports = ['--http-port', `${httpPort}`, '--device-port', `${devicePort}`, '--mqtt-port', `${mqttPort}`];
    const log = join(directory, 'demo', 'control-plane.log');
    const program = programOf('@aviary/control-plane');
    this.controlPlane = new StayingProcess('control plane', program, ['all', '--data', directory, ...ports], log);
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while ((await fetch(`${this.server}/readyz`).catch(() => undefined))?.ok !== true) {
      if (this.controlPlane.ended !== undefined || Date.now() > deadline) {
        const last = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-5).join('\n');
        throw new Error(
          `the control plane did not start (${this.controlPlane.ended ?? 'not ready in time'}):\n${last}`,
        );
      }
      await pause(100);
    }
    this.narrator.good(`the control plane answers at ${this.server}`);
    const token = (await readFile(join(directory, 'admin.token'), 'utf8')).trim();
    return createClient(adminRoutes, { baseUrl: this.server, fetch, headers: { authorization: `Bearer ${token}` } });
  }

  private async trainReleases(): Promise<readonly string[]> {
    this.narrator.chapter('Three releases of a meter reader, trained here and now');
    const directory = join(this.options.directory, 'demo', 'models');
    const releases = await makeDemoReleases(directory, (line) => this.narrator.say(line));
    return releases.map((release) => release.directory);
  }

  private async startFleet(client: Client<typeof adminRoutes>): Promise<void> {
    this.narrator.chapter('Six devices join');
    this.fleet = new DemoFleet(join(this.options.directory, 'demo', 'devices'), client);
    await this.aviary('key', 'init', '--name', 'demo publisher', '--no-passphrase', '--key', this.keyPath);
    await this.fleet.start();
    const deadline = Date.now() + ONLINE_TIMEOUT_MS;
    let online = 0;
    while (online < BOARDS.length && Date.now() < deadline) {
      await pause(250);
      online = (await client.listDevices({ query: { selector: 'presence=online' } })).items.length;
    }
    const { items } = await client.listDevices({});
    for (const device of items) {
      this.narrator.say(
        `${device.name.padEnd(14)} ${device.id}  ${device.profile ?? 'no profile'}  site=${device.labels.site}`,
      );
    }
    const matched = BOARDS.every(({ name, board }) => items.find((device) => device.name === name)?.profile === board);
    this.expectations.expect(
      'devices-joined',
      online === BOARDS.length,
      `${online} of ${BOARDS.length} devices are online`,
    );
    this.expectations.expect('profiles-matched', matched, 'each board was recognised by its facts');
  }

  private async publish(directories: readonly string[]): Promise<void> {
    this.narrator.chapter('The publisher signs, seals and pushes');
    for (const directory of directories) {
      await this.aviary('model', 'push', directory, '--key', this.keyPath);
      this.narrator.good(
        `pushed ${directory.split('/').at(-1)}: signed with the publisher’s key, sealed, uploaded as ciphertext`,
      );
    }
  }

  private async firstRelease(client: Client<typeof adminRoutes>): Promise<void> {
    this.narrator.chapter(`${MODEL}@1.0.0 to all devices`);
    const rollout = await this.rollOut(client, '1.0.0', [{ size: '100%', soak: '1s' }]);
    this.expectations.expect('first-release-everywhere', rollout.state === 'FINISHED', `1.0.0: ${rollout.state}`);
    const accuracy = await this.measure(client, '1.0.0');
    this.expectations.expect(
      'first-release-accurate',
      accuracy >= ACCURACY_FLOOR,
      `on the devices’ own pictures 1.0.0 reads ${percent(accuracy)} rightly`,
    );
  }

  private async betterRelease(client: Client<typeof adminRoutes>): Promise<void> {
    this.narrator.chapter(`${MODEL}@1.1.0 in canary waves`);
    const rollout = await this.rollOut(client, '1.1.0', [
      { size: 1, soak: '2s' },
      { size: '50%', soak: '2s' },
      { size: '100%', soak: '1s' },
    ]);
    const passed = rollout.waves.filter((wave) => wave.state === 'PASSED').length;
    this.expectations.expect(
      'better-release-in-waves',
      rollout.state === 'FINISHED' && passed === 3,
      `1.1.0: ${rollout.state}, ${passed} of 3 waves passed`,
    );
    const before = this.accuracies.get('1.0.0') ?? 1;
    const accuracy = await this.measure(client, '1.1.0');
    this.expectations.expect(
      'better-release-better',
      accuracy > before,
      `on the devices’ own pictures 1.1.0 reads ${percent(accuracy)} rightly, 1.0.0 read ${percent(before)}`,
    );
  }

  private async badRelease(client: Client<typeof adminRoutes>): Promise<void> {
    this.narrator.chapter(`${MODEL}@1.2.0, which is fine at home and bad in the field`);
    const rollout = await this.rollOut(client, '1.2.0', [
      { size: 2, soak: '2s' },
      { size: '50%', soak: '2s' },
      { size: '100%', soak: '1s' },
    ]);
    const [first, ...later] = rollout.waves;
    this.expectations.expect(
      'bad-release-stopped-in-first-wave',
      first?.state === 'FAILED' && later.every((wave) => wave.startedAt === null),
      `wave 1: ${first?.state}; later waves: ${later.map((wave) => wave.state).join(', ')}`,
    );
    this.expectations.expect('bad-release-rolled-back', rollout.state === 'ROLLED_BACK', `1.2.0: ${rollout.state}`);
    const { items } = await client.listExecutions({ params: { id: rollout.id } });
    const reasons = items.filter((execution) => execution.kind === 'install').map((execution) => execution.reason);
    for (const reason of new Set(reasons)) this.narrator.say(`a device said: ${reason}`);
    this.expectations.expect(
      'bad-release-judged-by-behaviour',
      reasons.length > 0 && reasons.every((reason) => reason !== null && /confiden|p95|unsure|failed/i.test(reason)),
      'the devices took it back because of how it behaved on their own pictures',
    );
    const good = await this.waitForAll(client, (device) => device.running?.release === `${MODEL}@1.1.0`);
    this.expectations.expect('fleet-serves-good-release', good, 'all six devices serve 1.1.0 again');
  }

  private readonly accuracies = new Map<string, number>();

  private async rollOut(client: Client<typeof adminRoutes>, version: string, waves: object[]): Promise<RolloutDetail> {
    const { id } = await client.createRollout({
      body: {
        release: `${MODEL}@${version}`,
        target: 'site in (lyon, turin, porto)',
        strategy: { waves, deadline: '60s', probation: PROBATION },
        gates: [
          { execution: { maxFailureRate: '20%', minimum: 1 } },
          { lowConfidenceRate: { max: 0.3, minimumFrames: 300, minimumDevices: 2 } },
        ],
        onFailure: 'rollback-all',
      },
    });
    return followRollout(client, this.narrator, id, ROLLOUT_TIMEOUT_S);
  }

  /** Accuracy over all devices as they themselves measured and reported it. */
  private async measure(client: Client<typeof adminRoutes>, version: string): Promise<number> {
    const release = `${MODEL}@${version}`;
    const deadline = Date.now() + MEASURE_TIMEOUT_MS;
    for (;;) {
      const { field } = await client.showRelease({ params: { release } });
      if (field.labelled >= FRAMES_TO_MEASURE || Date.now() > deadline) {
        const accuracy = field.labelled === 0 ? 0 : field.correct / field.labelled;
        this.accuracies.set(version, accuracy);
        this.expectations.figure(`accuracy-${version}`, Number(accuracy.toFixed(4)));
        this.expectations.figure(`pictures-${version}`, field.labelled);
        return accuracy;
      }
      await pause(500);
    }
  }

  private async waitForAll(
    client: Client<typeof adminRoutes>,
    right: (device: DeviceDetail) => boolean,
  ): Promise<boolean> {
    const deadline = Date.now() + ONLINE_TIMEOUT_MS;
    for (;;) {
      const { items } = await client.listDevices({});
      const devices = await Promise.all(items.map(({ id }) => client.showDevice({ params: { id } })));
      if (devices.length === BOARDS.length && devices.every(right)) return true;
      if (Date.now() > deadline) return false;
      await pause(500);
    }
  }

  private get keyPath(): string {
    return join(this.options.directory, 'demo', 'publisher.key');
  }

  private aviary(...args: string[]): Promise<string> {
    return runToEnd(AVIARY, args, { AVIARY_SERVER: this.server, AVIARY_DATA: this.options.directory, NO_COLOR: '1' });
  }
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
