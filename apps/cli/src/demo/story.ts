import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionView, ReleaseSummary, RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from '../connection.ts';
import { runToEnd } from './child-process.ts';
import { DemoControlPlane, type DemoPorts } from './demo-control-plane.ts';
import { BOARDS, DemoFleet, PICTURES_PER_DEVICE } from './demo-fleet.ts';
import { type DemoSummary, Expectations } from './expectations.ts';
import { Narrator } from './narrator.ts';
import { narrateRollout } from './rollout-narration.ts';
import { makeDemoReleases } from './training/releases.ts';

const MODEL = 'meter-reader';
const AVIARY = fileURLToPath(new URL('../../bin/aviary.js', import.meta.url));
const ROLLOUT_TIMEOUT_S = 90;
/** What "measured in the field" needs at least, over all devices. */
const FRAMES_TO_MEASURE = 1_000;
const MEASURE_TIMEOUT_MS = 40_000;
const ACCURACY_FLOOR = 0.93;

/**
 * Short, since this is a demo; a real fleet soaks for hours. Its six devices share the cores of one machine, where a
 * frame of 2 ms may take ten times as long: latency tells little here, and only a collapse of it counts.
 */
const PROBATION = { seconds: 5, minFrames: 40, maxErrorRate: 0.05, maxLowConfidenceRate: 0.3, maxP95Ratio: 50 };
const GATES = [
  { execution: { maxFailureRate: '20%', minimum: 1 } },
  { lowConfidenceRate: { max: 0.3, minimumFrames: 90, minimumDevices: 1 } },
];
/** How a device says that it took a release back for how it behaves. */
const JUDGED_BY_BEHAVIOUR = /^(low confidence|p95)/;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

interface RolloutOutcome {
  readonly rollout: RolloutDetail;
  /** What became of the release on each device that tried it. */
  readonly tries: readonly ExecutionView[];
}

const outcomeOf = ({ release, state, reason }: RolloutDetail): string =>
  `the rollout of ${release} is ${state.toLowerCase().replaceAll('_', ' ')}${reason === null ? '' : `: ${reason}`}`;

/** The whole way, from training to a bad release taken back: a method for each chapter, every part checked as told. */
export class DemoStory {
  readonly #directory: string;
  readonly #controlPlane: DemoControlPlane;
  readonly #narrator = new Narrator();
  readonly #expectations = new Expectations(this.#narrator);
  readonly #signal: AbortSignal;
  #fleet: DemoFleet | undefined;

  /** @param signal ends the story before its time */
  constructor(directory: string, ports: DemoPorts, signal: AbortSignal) {
    this.#directory = directory;
    this.#controlPlane = new DemoControlPlane(directory, ports);
    this.#signal = signal;
  }

  get address(): string {
    return this.#controlPlane.address;
  }

  /** Tells the story to its end, and what became of it; control plane and devices stay until {@link stop}. */
  async tell(): Promise<DemoSummary> {
    try {
      const client = await this.#startControlPlane();
      const folders = await this.#trainReleases();
      await this.#makeKey();
      await this.#startFleet(client);
      await this.#publish(folders);
      const before = await this.#firstRelease(client);
      await this.#betterRelease(client, before);
      await this.#badRelease(client);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (!this.#signal.aborted) this.#narrator.bad(words);
      return this.#expectations.summary(this.#narrator.seconds, words);
    }
    return this.#expectations.summary(this.#narrator.seconds);
  }

  /** Ends every process of the story. */
  async stop(): Promise<void> {
    await this.#fleet?.stop();
    await this.#controlPlane.stop();
  }

  async #startControlPlane(): Promise<AdminClient> {
    this.#narrator.chapter(
      'A model travels from a laptop to a fleet',
      'Everything is real and on this machine: a control plane, six device agents, and a model that is trained now.',
    );
    this.#narrator.say('the control plane starts: PostgreSQL, API, MQTT gateway, conductor');
    const client = await this.#controlPlane.start(this.#signal);
    this.#narrator.say(`it answers at ${this.address}`);
    return client;
  }

  async #trainReleases(): Promise<readonly string[]> {
    this.#narrator.chapter(
      'The laptop: three releases of a meter reader',
      'They read handwritten digits. 1.0.0 is good and 1.1.0 is better. 1.2.0 passes its own tests, on bold studio ' +
        'pictures, and is bad in the dim light of the field.',
    );
    const directory = join(this.#directory, 'demo', 'models');
    return makeDemoReleases(directory, (line) => this.#narrator.say(line), this.#signal);
  }

  /** Before the first device: a device takes releases from those who are publishers when it joins. */
  async #makeKey(): Promise<void> {
    await this.#aviary('key', 'init', '--name', 'demo publisher', '--no-passphrase', '--key', this.#keyPath);
  }

  async #startFleet(client: AdminClient): Promise<void> {
    this.#narrator.chapter(
      'The fleet: six devices join',
      'Each comes with a token that works once, makes a key of its own, and gets a certificate. What board it is, it ' +
        `tells by its facts. Each sees ${PICTURES_PER_DEVICE} digits in its own light; no release was trained with them.`,
    );
    this.#fleet = new DemoFleet(join(this.#directory, 'demo', 'devices'), client);
    await this.#fleet.start(this.#signal);
    const online = await this.#fleet.waitForAll(({ presence }) => presence === 'online', this.#signal);
    const { items } = await client.listDevices({});
    for (const { name, board } of BOARDS) {
      const device = items.find((candidate) => candidate.name === name);
      const site = `site=${device?.labels.site ?? 'none'}`;
      this.#narrator.say(
        `${name.padEnd(13)} ${(device?.profile ?? 'no profile').padEnd(17)} ${site.padEnd(11)} ${device?.id}`,
      );
      if (device?.profile !== board) this.#narrator.detail(`expected the profile ${board}`);
    }
    const present = items.filter(({ presence }) => presence === 'online').length;
    const matched = BOARDS.every(({ name, board }) => items.some((it) => it.name === name && it.profile === board));
    this.#expectations.expect('devices-joined', online, `${present} of ${BOARDS.length} devices are online`);
    this.#expectations.expect(
      'profiles-matched',
      matched,
      `${matched ? 'each' : 'not every'} board was recognised by its facts`,
    );
  }

  async #publish(folders: readonly string[]): Promise<void> {
    this.#narrator.chapter(
      'The publisher: sign, seal, push',
      'The key with which releases are signed stays with the publisher. What is uploaded is ciphertext, and opens ' +
        'only for devices to which the release is assigned.',
    );
    let pushed = 0;
    for (const folder of folders) {
      const answer = await this.#aviary('model', 'push', folder, '--key', this.#keyPath, '-o', 'json');
      const { release, variants } = JSON.parse(answer) as ReleaseSummary;
      if (release === basename(folder).replace(`${MODEL}-`, `${MODEL}@`)) pushed += 1;
      this.#narrator.say(`${release} is published: ${variants.map(({ id }) => id).join(', ')}`);
    }
    this.#expectations.expect('releases-published', pushed === 3, `${pushed} of 3 releases are published`);
  }

  /** @returns its accuracy in the field */
  async #firstRelease(client: AdminClient): Promise<number> {
    this.#narrator.chapter(
      `Rollout of ${MODEL}@1.0.0 to all at once`,
      'Each device downloads, verifies the signature, tries the release on its acceptance suite, switches, and keeps ' +
        'it after a probation of 5 s.',
    );
    const { rollout } = await this.#rollOut(client, '1.0.0', [{ size: '100%', soak: '1s' }]);
    this.#expectations.expect('first-release-everywhere', rollout.state === 'FINISHED', outcomeOf(rollout));
    const accuracy = await this.#measure(client, '1.0.0');
    this.#expectations.expect(
      'first-release-accurate',
      accuracy >= ACCURACY_FLOOR,
      `in the field 1.0.0 reads ${percent(accuracy)} rightly, at least ${percent(ACCURACY_FLOOR)} wanted`,
    );
    return accuracy;
  }

  async #betterRelease(client: AdminClient, before: number): Promise<void> {
    this.#narrator.chapter(
      `Rollout of ${MODEL}@1.1.0 in canary waves`,
      'First one device, then half of the fleet, then all. Between two waves the gates judge what the devices report.',
    );
    const { rollout } = await this.#rollOut(client, '1.1.0', [
      { size: 1, soak: '3s' },
      { size: '50%', soak: '3s' },
      { size: '100%', soak: '1s' },
    ]);
    const passed = rollout.waves.filter((wave) => wave.state === 'PASSED').length;
    this.#expectations.expect(
      'better-release-in-waves',
      rollout.state === 'FINISHED' && passed === 3,
      outcomeOf(rollout),
    );
    const accuracy = await this.#measure(client, '1.1.0');
    this.#expectations.expect(
      'better-release-better',
      accuracy > before,
      `in the field 1.1.0 reads ${percent(accuracy)} rightly; 1.0.0 read ${percent(before)}`,
    );
  }

  async #badRelease(client: AdminClient): Promise<void> {
    this.#narrator.chapter(
      `Rollout of ${MODEL}@1.2.0, which is bad in the field`,
      'It is signed, and passes its own acceptance suite. How it does in the field, only the devices can tell: each ' +
        'watches it in its probation, on its own pictures, and the gates watch what they report together.',
    );
    const { rollout, tries } = await this.#rollOut(client, '1.2.0', [
      { size: 2, soak: '3s' },
      { size: '50%', soak: '3s' },
      { size: '100%', soak: '1s' },
    ]);
    const [first, ...later] = rollout.waves;
    const untouched = later.length > 0 && later.every((wave) => wave.startedAt === null);
    this.#expectations.expect(
      'bad-release-stopped-in-first-wave',
      first?.state === 'FAILED' && untouched,
      `wave 1 ${first?.state.toLowerCase()}; the other waves ${untouched ? 'never began' : 'began'}`,
    );
    this.#expectations.expect('bad-release-rolled-back', rollout.state === 'ROLLED_BACK', outcomeOf(rollout));
    // Whoever has seen enough first judges it: a device in its probation, or the gate over all of the wave.
    const judged = tries.filter(
      ({ state, reason }) => state === 'ROLLED_BACK' && JUDGED_BY_BEHAVIOUR.test(reason ?? ''),
    );
    const stopped = first?.gates.some(({ gate, verdict }) => gate === 'lowConfidenceRate' && verdict === 'fail');
    this.#expectations.expect(
      'bad-release-judged-by-behaviour',
      (judged.length > 0 || stopped === true) &&
        tries.every((execution) => judged.includes(execution) || execution.state === 'CANCELED'),
      `judged by how it behaves in the field: ${judged.length} of ${tries.length} devices took it back by themselves, ` +
        `the gate on confidence ${stopped === true ? 'stopped it' : 'was not needed'}`,
    );
    const served = `${MODEL}@1.1.0`;
    const good = await this.#fleet?.waitForAll(({ running }) => running?.release === served, this.#signal);
    this.#expectations.expect(
      'fleet-serves-good-release',
      good === true,
      `${good === true ? 'all six' : 'not all'} devices serve 1.1.0 again`,
    );
  }

  /** Rolls a release out and tells how it goes; when it does not get through, also what the devices say to that. */
  async #rollOut(client: AdminClient, version: string, waves: readonly object[]): Promise<RolloutOutcome> {
    const { id } = await client.createRollout({
      body: {
        release: `${MODEL}@${version}`,
        target: 'site in (lyon, turin, porto)',
        strategy: { waves, deadline: '60s', probation: PROBATION },
        gates: GATES,
        onFailure: 'rollback-all',
      },
    });
    const options = { timeoutSeconds: ROLLOUT_TIMEOUT_S, signal: this.#signal };
    const rollout = await narrateRollout(client, this.#narrator, id, options);
    const { items } = await client.listExecutions({ params: { id } });
    const tries = items.filter(({ kind }) => kind === 'install');
    if (rollout.state !== 'FINISHED') {
      for (const { deviceName, state, reason } of tries)
        this.#narrator.say(`${deviceName}, ${state.toLowerCase().replaceAll('_', ' ')}: ${reason ?? 'no reason'}`);
    }
    return { rollout, tries };
  }

  /** Accuracy over all devices as they themselves measured and reported it. */
  async #measure(client: AdminClient, version: string): Promise<number> {
    const release = `${MODEL}@${version}`;
    for (const deadline = Date.now() + MEASURE_TIMEOUT_MS; ; await pause(500, undefined, { signal: this.#signal })) {
      const { field } = await client.showRelease({ params: { release } });
      if (field.labelled < FRAMES_TO_MEASURE && Date.now() < deadline) continue;
      const accuracy = field.labelled === 0 ? 0 : field.correct / field.labelled;
      this.#expectations.figure(`accuracy-${version}`, Number(accuracy.toFixed(4)));
      this.#expectations.figure(`pictures-${version}`, field.labelled);
      return accuracy;
    }
  }

  get #keyPath(): string {
    return join(this.#directory, 'demo', 'publisher.key');
  }

  #aviary(...args: string[]): Promise<string> {
    const environment = { AVIARY_SERVER: this.address, AVIARY_DATA: this.#directory };
    return runToEnd(AVIARY, args, environment, this.#signal);
  }
}
