import { basename, join } from 'node:path';
import type { PushedRelease } from '../publishing/push-model.ts';
import { BOARDS, PICTURES_PER_DEVICE } from './demo-fleet.ts';
import { type DemoStage, MODEL, outcomeOf, percent } from './demo-stage.ts';
import { makeDemoReleases } from './training/releases.ts';

const ACCURACY_FLOOR = 0.93;
/** How a device says that it took a release back for how it behaves. */
const JUDGED_BY_BEHAVIOUR = /^(low confidence|p95)/;

/** From training to a bad release taken back: a method for each chapter, every part checked as told. */
export class ReleaseAct {
  readonly #stage: DemoStage;

  constructor(stage: DemoStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    await this.#startControlPlane();
    const folders = await this.#trainReleases();
    await this.#makeKey();
    await this.#startFleet();
    await this.#publish(folders);
    const before = await this.#firstRelease();
    await this.#betterRelease(before);
    await this.#badRelease();
  }

  async #startControlPlane(): Promise<void> {
    this.#stage.narrator.chapter(
      'A model travels from a laptop to a fleet',
      'Everything is real and on this machine: a control plane, six device agents, and a model that is trained now.',
    );
    this.#stage.narrator.say('the control plane starts: PostgreSQL, API, MQTT gateway, conductor');
    const { name, password } = await this.#stage.startControlPlane();
    this.#stage.narrator.say(
      `watch it in a browser: ${this.#stage.address} — account "${name}", password "${password}"`,
    );
  }

  async #trainReleases(): Promise<readonly string[]> {
    this.#stage.narrator.chapter(
      'The laptop: three releases of a meter reader',
      'They read handwritten digits. 1.0.0 is good and 1.1.0 is better. 1.2.0 passes its own tests, on bold studio ' +
        'pictures, and is bad in the dim light of the field.',
    );
    const directory = join(this.#stage.directory, 'demo', 'models');
    return makeDemoReleases(directory, (line) => this.#stage.narrator.say(line), this.#stage);
  }

  /** Before the first device: a device takes releases from those who are publishers when it joins. */
  async #makeKey(): Promise<void> {
    await this.#stage.aviary(
      'key',
      'init',
      '--name',
      'demo publisher',
      '--no-passphrase',
      '--key',
      this.#stage.keyPath,
    );
  }

  async #startFleet(): Promise<void> {
    this.#stage.narrator.chapter(
      'The fleet: six devices join',
      'Each comes with a token that works once, makes a key of its own, and gets a certificate. What board it is, it ' +
        `tells by its facts. Each sees ${PICTURES_PER_DEVICE} digits in its own light; no release was trained with them.`,
    );
    const { fleet, client } = this.#stage;
    await fleet.start(this.#stage.signal);
    const online = await fleet.waitForAll(({ presence }) => presence === 'online', this.#stage.signal);
    const { items } = await client.listDevices({});
    for (const { name, board } of BOARDS) {
      const device = items.find((candidate) => candidate.name === name);
      const site = `site=${device?.labels.site ?? 'none'}`;
      this.#stage.narrator.say(
        `${name.padEnd(13)} ${(device?.profile ?? 'no profile').padEnd(17)} ${site.padEnd(11)} ${device?.id}`,
      );
      if (device?.profile !== board) this.#stage.narrator.detail(`expected the profile ${board}`);
    }
    const present = items.filter(({ presence }) => presence === 'online').length;
    const matched = BOARDS.every(({ name, board }) => items.some((it) => it.name === name && it.profile === board));
    this.#stage.expectations.expect('devices-joined', online, `${present} of ${BOARDS.length} devices are online`);
    this.#stage.expectations.expect(
      'profiles-matched',
      matched,
      `${matched ? 'each' : 'not every'} board was recognised by its facts`,
    );
  }

  async #publish(folders: readonly string[]): Promise<void> {
    this.#stage.narrator.chapter(
      'The publisher: sign, seal, push',
      'The key with which releases are signed stays with the publisher. What is uploaded is ciphertext, and opens ' +
        'only for devices to which the release is assigned.',
    );
    let pushed = 0;
    for (const folder of folders) {
      const answer = await this.#stage.aviary('model', 'push', folder, '--key', this.#stage.keyPath, '-o', 'json');
      const { release, variants } = JSON.parse(answer) as PushedRelease;
      if (release === basename(folder).replace(`${MODEL}-`, `${MODEL}@`)) pushed += 1;
      this.#stage.narrator.say(`${release} is published: ${variants.map(({ id }) => id).join(', ')}`);
    }
    this.#stage.expectations.expect('releases-published', pushed === 3, `${pushed} of 3 releases are published`);
  }

  /** @returns its accuracy in the field */
  async #firstRelease(): Promise<number> {
    this.#stage.narrator.chapter(
      `Rollout of ${MODEL}@1.0.0 to all at once`,
      'Each device downloads, verifies the signature, tries the release on its acceptance suite, switches, and keeps ' +
        'it after a probation of 5 s.',
    );
    const { rollout } = await this.#stage.rollOut('1.0.0', [{ size: '100%', soak: '1s' }]);
    this.#stage.expectations.expect('first-release-everywhere', rollout.state === 'FINISHED', outcomeOf(rollout));
    const accuracy = await this.#stage.measure('1.0.0');
    this.#stage.expectations.expect(
      'first-release-accurate',
      accuracy >= ACCURACY_FLOOR,
      `in the field 1.0.0 reads ${percent(accuracy)} rightly, at least ${percent(ACCURACY_FLOOR)} wanted`,
    );
    return accuracy;
  }

  async #betterRelease(before: number): Promise<void> {
    this.#stage.narrator.chapter(
      `Rollout of ${MODEL}@1.1.0 in canary waves`,
      'First one device, then half of the fleet, then all. Between two waves the gates judge what the devices report.',
    );
    const { rollout } = await this.#stage.rollOut('1.1.0', [
      { size: 1, soak: '3s' },
      { size: '50%', soak: '3s' },
      { size: '100%', soak: '1s' },
    ]);
    const passed = rollout.waves.filter((wave) => wave.state === 'PASSED').length;
    this.#stage.expectations.expect(
      'better-release-in-waves',
      rollout.state === 'FINISHED' && passed === 3,
      outcomeOf(rollout),
    );
    const accuracy = await this.#stage.measure('1.1.0');
    this.#stage.expectations.expect(
      'better-release-better',
      accuracy > before,
      `in the field 1.1.0 reads ${percent(accuracy)} rightly; 1.0.0 read ${percent(before)}`,
    );
  }

  async #badRelease(): Promise<void> {
    this.#stage.narrator.chapter(
      `Rollout of ${MODEL}@1.2.0, which is bad in the field`,
      'It is signed, and passes its own acceptance suite. How it does in the field, only the devices can tell: each ' +
        'watches it in its probation, on its own pictures, and the gates watch what they report together.',
    );
    const { rollout, tries } = await this.#stage.rollOut('1.2.0', [
      { size: 2, soak: '3s' },
      { size: '50%', soak: '3s' },
      { size: '100%', soak: '1s' },
    ]);
    const [first, ...later] = rollout.waves;
    const untouched = later.length > 0 && later.every((wave) => wave.startedAt === null);
    this.#stage.expectations.expect(
      'bad-release-stopped-in-first-wave',
      first?.state === 'FAILED' && untouched,
      `wave 1 ${first?.state.toLowerCase()}; the other waves ${untouched ? 'never began' : 'began'}`,
    );
    this.#stage.expectations.expect('bad-release-rolled-back', rollout.state === 'ROLLED_BACK', outcomeOf(rollout));
    // Whoever has seen enough first judges it: a device in its probation, or the gate over all of the wave.
    const judged = tries.filter(
      ({ state, reason }) => state === 'ROLLED_BACK' && JUDGED_BY_BEHAVIOUR.test(reason ?? ''),
    );
    const stopped = first?.gates.some(({ gate, verdict }) => gate === 'lowConfidenceRate' && verdict === 'fail');
    this.#stage.expectations.expect(
      'bad-release-judged-by-behaviour',
      (judged.length > 0 || stopped === true) &&
        tries.every((execution) => judged.includes(execution) || execution.state === 'CANCELED'),
      `judged by how it behaves in the field: ${judged.length} of ${tries.length} devices took it back by themselves, ` +
        `the gate on confidence ${stopped === true ? 'stopped it' : 'was not needed'}`,
    );
    const served = `${MODEL}@1.1.0`;
    const good = await this.#stage.fleet.waitForAll(({ running }) => running?.release === served, this.#stage.signal);
    this.#stage.expectations.expect(
      'fleet-serves-good-release',
      good === true,
      `${good === true ? 'all six' : 'not all'} devices serve 1.1.0 again`,
    );
  }
}
