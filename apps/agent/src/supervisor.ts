import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceFacts } from '@aviary/hardware';
import type { Logger } from 'pino';
import type { Identity } from './identity/identity.ts';
import type { DirectorySource } from './inference/capture/capture-handle.ts';
import { Serving } from './inference/serving.ts';
import { Backoff } from './link/backoff.ts';
import { DeviceApi } from './link/device-api.ts';
import { MqttLink } from './link/mqtt-link.ts';
import { type HeldRelease, Journal } from './state/journal.ts';
import { Reporter } from './telemetry/reporter.ts';
import { Spool } from './telemetry/spool.ts';
import { Uplink } from './telemetry/uplink.ts';
import { Assignments } from './update/assignments.ts';
import { openMemoryStorage } from './update/memory-storage.ts';
import { ReleaseStore } from './update/release-store.ts';
import { ServingSlot } from './update/serving-slot.ts';
import { Updater } from './update/updater.ts';

export interface SupervisorOptions {
  readonly stateDirectory: string;
  readonly source: DirectorySource;
  readonly fps: number;
  readonly telemetrySeconds: number;
  /** How often it looks for an assignment when nobody rings, in seconds. */
  readonly pollSeconds: number;
  readonly spoolBytes: number;
  readonly plaintextDirectory?: string | undefined;
}

const RETRY_FIRST_MS = 1_000;
const RETRY_LONGEST_MS = 60_000;
/** Losses of a proven release's worker within the window, from which it is said to loop. */
const LOSSES_TO_REPORT = 3;
const LOSS_WINDOW_MS = 120_000;

/**
 * The agent: keeps one release serving, brings it to what is assigned, and tells what happens. It runs no model
 * itself, and goes on for ever without a control plane.
 */
export class Supervisor {
  private journal!: Journal;
  private serving!: Serving;
  private reporter!: Reporter;
  private uplink!: Uplink;
  private link!: MqttLink;
  private api!: DeviceApi;
  private slot!: ServingSlot;
  private assignments!: Assignments;
  private updater!: Updater;
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;
  private interrupt = new AbortController();
  private lookNext = true;
  private again = false;
  private stopped = false;
  private losses: number[] = [];
  private lastRefusal = '';
  private readonly retry = new Backoff(RETRY_FIRST_MS, RETRY_LONGEST_MS, Math.random);

  constructor(
    private readonly identity: Identity,
    private readonly facts: DeviceFacts,
    private readonly options: SupervisorOptions,
    private readonly log: Logger,
  ) {}

  async start(): Promise<void> {
    const { identity, options, log } = this;
    const plainFolder = await openMemoryStorage(identity.deviceId, options.plaintextDirectory);
    this.journal = await Journal.open(options.stateDirectory, identity.epoch);
    const spool = new Spool(join(options.stateDirectory, 'spool'), identity.epoch, options.spoolBytes, log);
    await spool.open();
    this.uplink = new Uplink(spool);
    this.serving = new Serving({
      capture: { source: options.source, fps: options.fps },
      onFrameError: (source, words) => log.debug({ source }, words),
      onCaptureState: ({ flowing, words }) => {
        log.info({ flowing }, words);
        void this.reporter.event(flowing ? 'info' : 'warning', flowing ? 'capture-flowing' : 'capture-stopped', words);
      },
    });
    this.reporter = new Reporter(this.uplink, this.serving, options.stateDirectory, options.telemetrySeconds);
    this.slot = new ServingSlot(
      this.serving,
      {
        onServing: (loaded) => this.reporter.servingChanged(loaded),
        onLost: (release, words) => void this.workerLost(release, words),
      },
      log,
    );
    this.api = new DeviceApi(identity.deviceUrl, identity);
    const sealedFolder = join(options.stateDirectory, 'releases');
    await mkdir(sealedFolder, { recursive: true, mode: 0o700 });
    const store = new ReleaseStore(sealedFolder, plainFolder, identity);
    this.assignments = new Assignments(this.api, identity, this.journal, log);
    const providers = this.facts.runtimes.find(({ name }) => name === 'onnxruntime')?.providers ?? ['cpu'];
    this.updater = new Updater(this.journal, store, this.slot, this.serving, this.api, providers, this.reporter, log);
    this.link = new MqttLink(
      identity,
      async () => {
        const session = this.journal.state.session + 1;
        await this.journal.update({ session });
        return session;
      },
      {
        onConnected: () => {
          this.uplink.connected();
          this.look();
        },
        onDoorbell: () => this.look(),
        onAck: (ack) => void this.uplink.acknowledged(ack),
      },
      log,
    );
    this.uplink.attach(this.link);

    await this.sayWhatIsUnusual();
    await this.reporter.facts(this.facts);
    this.reporter.start();
    this.serving.start();
    this.link.start();
    this.wake(0);
    this.timer = setInterval(() => this.look(), options.pollSeconds * 1000 * (0.9 + 0.2 * Math.random()));
    log.info({ device: identity.deviceId }, 'started');
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    clearTimeout(this.wakeTimer);
    this.interrupt.abort();
    await this.working?.catch(() => undefined);
    await this.slot.discard();
    await this.reporter.stop();
    await this.slot.stopServing();
    await this.serving.stop();
    await this.link.stop();
    this.uplink.stop();
    this.api.close();
  }

  /** Somebody rang, or it is time: what is assigned may have changed, and what is being done may be out of date. */
  private look(): void {
    this.lookNext = true;
    this.wake(0);
  }

  private wakeTimer: NodeJS.Timeout | undefined;

  private wake(delay: number): void {
    if (this.stopped) return;
    this.again = true;
    if (this.working !== undefined) {
      // A step that waits (a download, a probation) must not keep the device from hearing that it is to go back.
      if (this.lookNext) void this.lookNow();
      return;
    }
    clearTimeout(this.wakeTimer);
    this.wakeTimer = setTimeout(() => {
      this.working = this.work().finally(() => {
        this.working = undefined;
        if (this.again) this.wake(0);
      });
    }, delay);
  }

  private async work(): Promise<void> {
    this.again = false;
    await this.lookNow();
    try {
      while (!this.stopped) {
        this.interrupt = new AbortController();
        if (!(await this.updater.step(this.interrupt.signal))) break;
        this.retry.reset();
      }
    } catch (error) {
      if (this.stopped) return;
      if (this.interrupt.signal.aborted) {
        this.again = true;
        return;
      }
      const delay = this.retry.next();
      this.log.warn({ error: error instanceof Error ? error.message : String(error), delay }, 'it will be tried again');
      setTimeout(() => this.wake(0), delay).unref();
    }
  }

  private async lookNow(): Promise<void> {
    if (!this.lookNext) return;
    this.lookNext = false;
    try {
      const found = await this.assignments.look();
      if (found === 'changed') {
        this.interrupt.abort();
        this.again = true;
      } else if (found !== 'same') {
        await this.refuse(found);
      }
    } catch (error) {
      this.log.info(
        { error: error instanceof Error ? error.message : String(error) },
        'the control plane was not reached',
      );
    }
  }

  private async refuse(refusal: Exclude<Awaited<ReturnType<Assignments['look']>>, string>): Promise<void> {
    const words = `${refusal.code} ${refusal.executionId} ${refusal.message}`;
    if (words === this.lastRefusal) return;
    this.lastRefusal = words;
    this.log.warn({ code: refusal.code }, refusal.message);
    await this.reporter.event('error', 'assignment-refused', `${refusal.code}: ${refusal.message}`);
    if (refusal.executionId !== undefined && refusal.code !== 'replayed' && refusal.code !== 'wrong-device') {
      const { executionId, code, message } = refusal;
      await this.reporter.execution({ executionId, state: 'REJECTED', reason: { code, message } });
    }
  }

  private async workerLost(release: HeldRelease, words: string): Promise<void> {
    if (this.stopped) return;
    const now = performance.now();
    this.losses = [...this.losses.filter((at) => now - at < LOSS_WINDOW_MS), now];
    const looping = this.losses.length >= LOSSES_TO_REPORT;
    await this.reporter.event(
      looping ? 'error' : 'warning',
      looping ? 'worker-crash-loop' : 'worker-lost',
      `${release.release}: ${words}`,
    );
    await this.updater.lost(release, words);
    const delay = this.losses.length === 1 ? 0 : this.retry.next();
    setTimeout(() => this.wake(0), delay).unref();
  }

  private async sayWhatIsUnusual(): Promise<void> {
    const { damage } = this.journal;
    if (damage !== undefined) {
      await this.reporter.event('error', 'journal-damaged', `the journal was damaged and put aside: ${damage}`);
    }
    if (this.facts.simulated === true) {
      await this.reporter.event(
        'info',
        'facts-simulated',
        'the facts of this board were given to the agent, not found by it',
      );
    }
  }
}
