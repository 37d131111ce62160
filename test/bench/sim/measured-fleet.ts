import { setTimeout as pause } from 'node:timers/promises';
import type { SimulationCounts } from '@aviary/protocol';
import { labelsOf, profilesOf, USUAL_PROFILES } from '../../../apps/cli/src/simulation/plan-flags.ts';
import { SimulationProcess } from '../../../apps/cli/src/simulation/simulation-process.ts';
import { TestFleet, until } from '../../support/test-fleet.ts';
import { cpuMsOf } from './process-tree.ts';

const JOINS_PER_SECOND = 50;
const TELEMETRY_SECONDS = 60;
/** Far more than a machine that is busy needs for a thousand devices. */
const PATIENCE_SECONDS = 1_800;
/** What joining has left to do is done by then. */
const SETTLE_MS = 10_000;

/** What one rollout took, for each device of the fleet. */
export interface RolloutCost {
  /** From the wish for it until the last device has converged. */
  readonly seconds: number;
  /** CPU of the process with the devices, in ms a device. */
  readonly devicesMs: number;
  /** CPU of all processes of the control plane, with its database, in ms a device. */
  readonly controlPlaneMs: number;
}

/** A control plane with so many simulated devices, all of them well. */
export class MeasuredFleet {
  readonly #devices: number;
  readonly #fleet: TestFleet;
  #simulation: SimulationProcess | undefined;
  #counts: SimulationCounts | undefined;

  private constructor(devices: number, fleet: TestFleet) {
    this.#devices = devices;
    this.#fleet = fleet;
  }

  /** Waits until all have joined and are connected. */
  static async start(devices: number): Promise<MeasuredFleet> {
    const measured = new MeasuredFleet(devices, await TestFleet.start());
    try {
      await measured.#join();
    } catch (error) {
      await measured.stop();
      throw error;
    }
    return measured;
  }

  /** Resident memory of the process with the devices, in MB. */
  get memoryMB(): number {
    return this.#now.memoryMB;
  }

  /**
   * Brings a new release to all of them.
   * @param strategy beside the waves
   * @param leastSeconds measures for so long, also when all have converged before
   */
  async rollOut(version: string, strategy: object, leastSeconds = 0): Promise<RolloutCost> {
    await this.#fleet.push({ version, manner: 'sure' });
    const before = await this.#cpu();
    const beganAt = performance.now();
    const passed = () => (performance.now() - beganAt) / 1000;
    const id = await this.#fleet.rollOut(version, undefined, {
      gates: [],
      strategy: {
        waves: [{ size: '100%', soak: '0s' }],
        deadline: `${PATIENCE_SECONDS}s`,
        probation: { seconds: 3, minFrames: 20, maxP95Ratio: 5 },
        ...strategy,
      },
    });
    await until(`grey@${version} on ${this.#devices} devices`, PATIENCE_SECONDS, async () => {
      const { converged, running } = this.#now;
      return converged === this.#devices && running[`grey@${version}`] === converged ? true : undefined;
    });
    const seconds = passed();
    const { state, waves } = await this.#fleet.ended(id, PATIENCE_SECONDS);
    const succeeded = waves[0]?.counts.SUCCEEDED;
    if (state !== 'FINISHED' || succeeded !== this.#devices) {
      throw new Error(`expected ${this.#devices} successes, got ${succeeded}, and the rollout ${state}`);
    }
    await pause(Math.max(0, leastSeconds - passed()) * 1000);
    const after = await this.#cpu();
    return {
      seconds,
      devicesMs: (after.devices - before.devices) / this.#devices,
      controlPlaneMs: (after.controlPlane - before.controlPlane) / this.#devices,
    };
  }

  async stop(): Promise<void> {
    await this.#simulation?.stop();
    await this.#fleet.stop();
  }

  get #now(): SimulationCounts {
    if (this.#counts === undefined) throw new Error('the simulated devices have said nothing yet');
    return this.#counts;
  }

  async #cpu(): Promise<{ readonly devices: number; readonly controlPlane: number }> {
    return { devices: this.#now.cpuMs, controlPlane: await cpuMsOf(this.#fleet.controlPlane.pid) };
  }

  async #join(): Promise<void> {
    const troubles: string[] = [];
    this.#simulation = new SimulationProcess(
      {
        devices: this.#devices,
        seed: 1,
        profiles: profilesOf(USUAL_PROFILES),
        labels: labelsOf(['site=test']),
        failing: [],
        silent: [],
        slow: 0,
        drifting: 0,
        regressions: [],
        telemetrySeconds: TELEMETRY_SECONDS,
        joinsPerSecond: JOINS_PER_SECOND,
        stateDirectory: null,
      },
      {
        token: async (labels) => (await this.#fleet.client.createJoinToken({ body: { labels } })).token,
        counts: (counts) => {
          this.#counts = counts;
        },
        trouble: (words) => troubles.push(words),
      },
    );
    await until(`${this.#devices} devices connected`, PATIENCE_SECONDS, async () =>
      this.#now.connected === this.#devices ? true : undefined,
    ).catch((error: Error) => {
      throw new Error([error.message, ...troubles].join('\n'));
    });
    // Who never got the answer to its joining has joined again, as another device, and the first would be waited for.
    const [row] = await this.#fleet.query<{ devices: number }>('select count(*)::integer as devices from device');
    if (row?.devices !== this.#devices) throw new Error(`expected ${this.#devices} devices, got ${row?.devices}`);
    await pause(SETTLE_MS);
  }
}
