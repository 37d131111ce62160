import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TelemetryBatch } from '@aviary/protocol';
import { pino } from 'pino';
import { Serving } from '../../apps/agent/src/inference/serving.ts';
import type { DeviceApi } from '../../apps/agent/src/link/device-api.ts';
import { Journal } from '../../apps/agent/src/state/journal.ts';
import { BoardMeter } from '../../apps/agent/src/telemetry/board-meter.ts';
import { Reporter } from '../../apps/agent/src/telemetry/reporter.ts';
import { Spool } from '../../apps/agent/src/telemetry/spool.ts';
import { SpoolDirectory } from '../../apps/agent/src/telemetry/spool-files.ts';
import { Uplink } from '../../apps/agent/src/telemetry/uplink.ts';
import { FakeSlot } from '../../apps/agent/src/testing/fake-slot.ts';
import { identity } from '../../apps/agent/src/testing/sealed-release.ts';
import { FleetTrust } from '../../apps/agent/src/trust/fleet-trust.ts';
import { Assignments, type Finding } from '../../apps/agent/src/update/assignments.ts';
import { CrashWatch } from '../../apps/agent/src/update/crash-watch.ts';
import { Holding } from '../../apps/agent/src/update/holding.ts';
import { ReleaseStore } from '../../apps/agent/src/update/release-store.ts';
import { Updater } from '../../apps/agent/src/update/updater.ts';

const log = pino({ level: process.env.AVIARY_LOG_LEVEL ?? 'silent' });
/** Steps of one run; more is a circle. */
const MOST_STEPS = 100;
const MOST_TRIES = 3;
/** Far more than any source here takes. */
const PATIENCE_MS = 30_000;

/**
 * One run of an agent of which all is real that touches the disk or the network: journal, trust, assignments, downloads,
 * store and spool. Its workers are played and nothing waits for a clock, so that a device can be started thousands of times.
 */
export class LightDevice {
  readonly journal: Journal;
  readonly #slot: FakeSlot;
  readonly #updater: Updater;
  readonly #assignments: Assignments;
  readonly #spool: Spool;
  readonly #uplink: Uplink;
  readonly #reporter: Reporter;
  readonly #plain: string;

  private constructor(stateDirectory: string, plain: string, api: DeviceApi, journal: Journal, spool: Spool) {
    this.journal = journal;
    this.#plain = plain;
    this.#slot = new FakeSlot();
    this.#spool = spool;
    this.#uplink = new Uplink(spool, log);
    const source = { kind: 'directory', path: plain } as const;
    const serving = new Serving({ capture: { source, fps: 1 } });
    const measured = { windowSeconds: 3_600, meter: new BoardMeter({ stateDirectory }) };
    this.#reporter = new Reporter(this.#uplink, serving, measured, log);
    const store = new ReleaseStore(join(stateDirectory, 'releases'), join(plain, 'opened'), identity);
    const metadata = join(stateDirectory, 'trust');
    const trust = new FleetTrust({ metadata, patienceMs: PATIENCE_MS }, identity, api, journal, () => undefined);
    this.#assignments = new Assignments(api, trust, identity, 'rpi4', journal);
    const parts = { journal, store, slot: this.#slot, serving: this.#slot, api, reporter: this.#reporter, log };
    this.#updater = new Updater({
      holding: new Holding(journal, null),
      memory: { shortage: () => undefined },
      crashes: new CrashWatch(),
      preparation: null,
      ...parts,
      providers: ['cpu'],
      openThrottling: async () => ({ causes: () => undefined, close: () => undefined }),
      patienceMs: PATIENCE_MS,
      onProgress: () => undefined,
    });
  }

  /**
   * As `startSupervisor` does it, as far as the disk is concerned.
   * @param plainParent where opened models lie
   */
  static async start(stateDirectory: string, api: DeviceApi, plainParent = tmpdir()): Promise<LightDevice> {
    const plain = await mkdtemp(join(plainParent, 'aviary-plain-'));
    try {
      await mkdir(join(plain, 'opened'));
      const { deviceId, epoch } = identity;
      const journal = await Journal.open(stateDirectory, { deviceId, epoch });
      await mkdir(join(stateDirectory, 'releases'), { recursive: true, mode: 0o700 });
      const files = new SpoolDirectory(join(stateDirectory, 'spool'));
      const spool = new Spool(files, { deviceId, epoch, maxBytes: 2 ** 20, onTrouble: () => undefined });
      const device = new LightDevice(stateDirectory, plain, api, journal, spool);
      await spool.open();
      return device;
    } catch (error) {
      await rm(plain, { recursive: true, force: true });
      throw error;
    }
  }

  /** Name of the release that serves. */
  get serves(): string | undefined {
    return this.#slot.serves?.release;
  }

  /** Names of the releases that have served, in order. */
  get served(): readonly string[] {
    return this.#slot.calls.flatMap((call) => (call.startsWith('serve ') ? [call.slice('serve '.length)] : []));
  }

  /** Goes as far as to let something serve. */
  async begin(): Promise<void> {
    await this.#step(() => this.serves !== undefined);
  }

  /** Looks what is assigned. */
  look(): Promise<Finding> {
    this.#assignments.distrust();
    return this.#assignments.look();
  }

  /** Does all that there is to do; what fails is tried again, as the agent's loop does it, but at once. */
  async settle(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#step(() => false);
      } catch (error) {
        if (tries >= MOST_TRIES) throw error;
      }
    }
  }

  /** Tells all that it has to tell. @param store what the gateway does with a batch before it acknowledges it */
  async tell(store: (batch: TelemetryBatch) => void): Promise<void> {
    for (let batch = await this.#spool.head(); batch !== undefined; batch = await this.#spool.head()) {
      store(batch);
      await this.#spool.acknowledge({ epoch: batch.epoch, seq: batch.seq });
    }
  }

  async stop(): Promise<void> {
    await this.#uplink.stop();
    await rm(this.#plain, { recursive: true, force: true });
  }

  async #step(isEnough: () => boolean): Promise<void> {
    const { signal } = new AbortController();
    for (let steps = 0; !isEnough(); steps += 1) {
      if (steps > MOST_STEPS) throw new Error(`it goes in a circle, and serves ${this.serves}`);
      if ((await this.#updater.step(signal)) !== true) return;
    }
  }
}
