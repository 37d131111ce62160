import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionView, RolloutDetail } from '@aviary/protocol';
import type { AdminClient } from '../connection.ts';
import { runToEnd } from './child-process.ts';
import { DemoControlPlane, type DemoPorts } from './demo-control-plane.ts';
import { DemoFleet } from './demo-fleet.ts';
import { Expectations } from './expectations.ts';
import { Narrator } from './narrator.ts';
import { narrateRollout } from './rollout-narration.ts';

export const MODEL = 'meter-reader';
const AVIARY = fileURLToPath(new URL('../../bin/aviary.js', import.meta.url));
const ROLLOUT_TIMEOUT_S = 90;
/** What "measured in the field" needs at least, over all devices. */
const FRAMES_TO_MEASURE = 1_000;
const MEASURE_TIMEOUT_MS = 40_000;

/**
 * Short, since this is a demo; a real fleet soaks for hours. Its six devices share the cores of one machine, where a
 * frame of 2 ms may take ten times as long: latency tells little here, and only a collapse of it counts.
 */
const PROBATION = { seconds: 5, minFrames: 40, maxErrorRate: 0.05, maxLowConfidenceRate: 0.3, maxP95Ratio: 50 };
const EXECUTION_GATE = { execution: { maxFailureRate: '20%', minimum: 1 } };

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export interface DemoOptions {
  /** Where everything is kept; emptied first. */
  readonly directory: string;
  readonly ports: DemoPorts;
  /** How the digits are mixed, from 1. */
  readonly seed: number;
  /** Ends the story before its time. */
  readonly signal: AbortSignal;
}

/** With what one logs in. */
export interface ConsoleAccount {
  readonly name: string;
  readonly password: string;
}

export interface RolloutOutcome {
  readonly rollout: RolloutDetail;
  /** What became of the release on each device that tried it. */
  readonly tries: readonly ExecutionView[];
}

export const outcomeOf = ({ release, state, reason }: RolloutDetail): string =>
  `the rollout of ${release} is ${state.toLowerCase().replaceAll('_', ' ')}${reason === null ? '' : `: ${reason}`}`;

/** What the acts of the story share: the place, the parts that run, and how something is brought to the fleet. */
export class DemoStage {
  readonly directory: string;
  readonly seed: number;
  readonly narrator = new Narrator();
  readonly expectations = new Expectations(this.narrator);
  readonly signal: AbortSignal;
  readonly #controlPlane: DemoControlPlane;
  #client: AdminClient | undefined;
  #fleet: DemoFleet | undefined;

  constructor({ directory, ports, seed, signal }: DemoOptions) {
    this.directory = directory;
    this.seed = seed;
    this.#controlPlane = new DemoControlPlane(directory, ports);
    this.signal = signal;
  }

  get address(): string {
    return this.#controlPlane.address;
  }

  /** @throws Error before the control plane was started */
  get client(): AdminClient {
    if (this.#client === undefined) throw new Error('The control plane of the demo was not started.');
    return this.#client;
  }

  get fleet(): DemoFleet {
    this.#fleet ??= new DemoFleet(join(this.directory, 'demo', 'devices'), this.client, this.seed);
    return this.#fleet;
  }

  get keyPath(): string {
    return join(this.directory, 'demo', 'publisher.key');
  }

  /** Folder of a release, as `aviary model push` takes it. */
  modelFolder(version: string): string {
    return join(this.directory, 'demo', 'models', `${MODEL}-${version}`);
  }

  /** Starts it, and makes an account with which somebody can look on in the console. */
  async startControlPlane(): Promise<ConsoleAccount> {
    this.#client = await this.#controlPlane.start(this.signal);
    const account = { name: 'demo', password: randomBytes(12).toString('base64url') };
    await this.#client.createAccount({ body: { ...account, role: 'admin' } });
    return account;
  }

  /** Ends every process of the story. */
  async stop(): Promise<void> {
    await this.#fleet?.stop();
    await this.#controlPlane.stop();
  }

  /**
   * Rolls a release out and tells how it goes; when it does not get through, also what the devices say to that.
   * @param bounds where the probation is another one; its share of unsure answers is that of a wave, too
   */
  async rollOut(
    version: string,
    waves: readonly object[],
    bounds: Partial<typeof PROBATION> = {},
  ): Promise<RolloutOutcome> {
    const probation = { ...PROBATION, ...bounds };
    const unsure = { max: probation.maxLowConfidenceRate, minimumFrames: 90, minimumDevices: 1 };
    const { id } = await this.client.createRollout({
      body: {
        release: `${MODEL}@${version}`,
        target: 'site in (lyon, turin, porto)',
        strategy: { waves, deadline: '60s', probation },
        gates: [EXECUTION_GATE, { lowConfidenceRate: unsure }],
        onFailure: 'rollback-all',
      },
    });
    const options = { timeoutSeconds: ROLLOUT_TIMEOUT_S, signal: this.signal };
    const rollout = await narrateRollout(this.client, this.narrator, id, options);
    const { items } = await this.client.listExecutions({ params: { id } });
    const tries = items.filter(({ kind }) => kind === 'install');
    if (rollout.state !== 'FINISHED') {
      for (const { deviceName, state, reason } of tries)
        this.narrator.say(`${deviceName}, ${state.toLowerCase().replaceAll('_', ' ')}: ${reason ?? 'no reason'}`);
    }
    return { rollout, tries };
  }

  /** Accuracy over all devices as they themselves measured and reported it. */
  async measure(version: string): Promise<number> {
    const release = `${MODEL}@${version}`;
    for (const deadline = Date.now() + MEASURE_TIMEOUT_MS; ; await pause(500, undefined, { signal: this.signal })) {
      const { field } = await this.client.showRelease({ params: { release } });
      if (field.labelled < FRAMES_TO_MEASURE && Date.now() < deadline) continue;
      const accuracy = field.labelled === 0 ? 0 : field.correct / field.labelled;
      this.expectations.figure(`accuracy-${version}`, Number(accuracy.toFixed(4)));
      this.expectations.figure(`pictures-${version}`, field.labelled);
      return accuracy;
    }
  }

  /** Runs a command of `aviary` against the demo's control plane. @returns what it prints on standard output */
  aviary(...args: string[]): Promise<string> {
    const environment = { AVIARY_SERVER: this.address, AVIARY_DATA: this.directory };
    return runToEnd(AVIARY, args, environment, this.signal);
  }
}
