import type { DeviceFacts } from '@aviary/hardware';
import type { KeptMetadata } from '@aviary/release';
import type { Logger } from 'pino';
import { type Credentials, validityOf } from './identity/credentials.ts';
import type { Identity } from './identity/identity.ts';
import { Renewal } from './identity/renewal.ts';
import type { Serving } from './inference/serving.ts';
import { DeviceApi } from './link/device-api.ts';
import { DownloadLimit } from './link/download-limit.ts';
import { MqttLink } from './link/mqtt-link.ts';
import type { HeldRelease, Journal } from './state/journal.ts';
import { Reporter, type ReporterOptions } from './telemetry/reporter.ts';
import { Spool } from './telemetry/spool.ts';
import type { SpoolFiles } from './telemetry/spool-files.ts';
import { Uplink } from './telemetry/uplink.ts';
import { FleetTrust } from './trust/fleet-trust.ts';
import { AssignmentWatch } from './update/assignment-watch.ts';
import { Assignments } from './update/assignments.ts';
import { CrashWatch } from './update/crash-watch.ts';
import type { Hold } from './update/hold.ts';
import { type ConsentDecision, Holding } from './update/holding.ts';
import { type LoadedRelease, ServingSlot, type StartWorker } from './update/serving-slot.ts';
import { UpdateLoop } from './update/update-loop.ts';
import { Updater, type UpdaterParts } from './update/updater.ts';

export interface MemberOptions {
  readonly telemetrySeconds: number;
  /** How often it looks for an assignment when nobody rings. */
  readonly pollSeconds: number;
  /** Most that waits on disk while offline. */
  readonly spoolBytes: number;
  /** How long whoever sends a release or metadata may be too slow. */
  readonly patienceSeconds: number;
  /** Most that its downloads take of the network together; undefined: as much as there is. */
  readonly downloadBytesPerSecond?: number | undefined;
}

/** What a member stands on: its disk, its board, and the workers that run its releases. */
export interface MemberGround {
  readonly journal: Journal;
  readonly store: UpdaterParts['store'];
  readonly spoolFiles: SpoolFiles;
  /** Where the metadata is kept that was believed last. */
  readonly metadata: string | KeptMetadata;
  readonly keepCredentials: (credentials: Credentials) => Promise<void>;
  readonly serving: Pick<Serving, 'take' | 'observe' | 'mark' | 'switchTo' | 'disturbed' | 'witness'>;
  readonly startWorker: StartWorker;
  /** Builds what runtimes load here; null: all releases are loaded as they were published. */
  readonly preparation: UpdaterParts['preparation'];
  /** Whether two releases fit into its memory. */
  readonly memory: UpdaterParts['memory'];
  readonly meter: ReporterOptions['meter'];
  /** Opens what tells whether the board slows itself down. */
  readonly openThrottling: UpdaterParts['openThrottling'];
  readonly facts: DeviceFacts;
  /** Id of the firmware profile that the board is; null when none fits. */
  readonly profile: string | null;
}

/** An update that is here and does not serve yet; times in ms since 1970. */
export interface WaitingUpdate extends Pick<Hold, 'waitsFor' | 'until' | 'laterUntil'> {
  readonly release: string;
  /** When its bytes were here. */
  readonly since: number | null;
}

/** What else a device does on these occasions. */
export interface MemberListener {
  /** Another release is about to serve, or none. */
  onSwitching(to: LoadedRelease | null): Promise<void>;
  onConnected(): void;
  /** Somebody rang for a federated round. */
  onRound(): void;
  /** Somebody rang for an operator profile. */
  onOperatorProfile(): void;
}

/**
 * A device as a member of its fleet: it follows what is assigned, brings itself there, tells what happens, and renews its
 * certificate. What it stands on comes from outside, so that all of it is the same on a board and in a simulation.
 */
export class FleetMember {
  readonly api: DeviceApi;
  readonly reporter: Reporter;
  readonly slot: ServingSlot;
  readonly #ground: MemberGround;
  readonly #spool: Spool;
  readonly #uplink: Uplink;
  readonly #loop: UpdateLoop;
  readonly #holding: Holding;
  readonly #updater: Updater;
  readonly #watch: AssignmentWatch;
  readonly #link: MqttLink;
  readonly #renewal: Renewal;
  readonly #crashes = new CrashWatch();
  readonly #log: Logger;
  #loopEnded: Promise<void> | undefined;
  #stopping = false;

  constructor(identity: Identity, ground: MemberGround, options: MemberOptions, listener: MemberListener, log: Logger) {
    const { deviceId, epoch } = identity;
    const { journal, store, serving, memory, preparation, facts } = ground;
    this.#ground = ground;
    this.#log = log;
    this.#spool = new Spool(ground.spoolFiles, {
      deviceId,
      epoch,
      maxBytes: options.spoolBytes,
      // Said once the spool has done what it is at.
      onTrouble: (code, words) => void setImmediate(() => this.tell('warning', code, words)),
    });
    this.#uplink = new Uplink(this.#spool, log);
    this.reporter = new Reporter(
      this.#uplink,
      serving,
      { windowSeconds: options.telemetrySeconds, meter: ground.meter },
      log,
    );
    // The fleet CA has signed the certificate: its beginning has passed, as what the journal has seen signed.
    let certified = validityOf(identity.certificate)?.from ?? 0;
    const floor = () => Math.max(journal.state.timeFloor, certified);
    const { downloadBytesPerSecond: rate } = options;
    const limit = rate === undefined ? undefined : new DownloadLimit(rate);
    this.api = new DeviceApi(identity.deviceUrl, identity, floor, limit);
    this.slot = new ServingSlot(
      serving,
      {
        onSwitching: async (to) => {
          await this.reporter.switching(to);
          // Before its first frame, since that may be labelled at once.
          await listener.onSwitching(to);
        },
        onServing: (release) => this.reporter.running(release),
        onLost: (release, words) => void this.#workerLost(release, words),
      },
      ground.startWorker,
      log,
    );
    const patienceMs = options.patienceSeconds * 1000;
    const providers = facts.runtimes.find(({ name }) => name === 'onnxruntime')?.providers ?? ['cpu'];
    const { api, reporter, slot } = this;
    const holding = new Holding(journal, facts.timeZone ?? null);
    this.#holding = holding;
    const crashes = this.#crashes;
    const onProgress = () => this.#loop.showLife();
    const parts = { journal, store, slot, serving, memory, preparation, crashes, holding, api, reporter };
    const { openThrottling } = ground;
    this.#updater = new Updater({ ...parts, patienceMs, limit, providers, openThrottling, onProgress, log });
    this.#loop = new UpdateLoop((signal) => this.#updater.step(signal), log);
    const trust = new FleetTrust({ metadata: ground.metadata, patienceMs }, identity, api, journal, () =>
      this.#loop.replan(),
    );
    const assignments = new Assignments(api, trust, identity, ground.profile, journal);
    this.#watch = new AssignmentWatch(
      assignments,
      reporter,
      ({ digest }) => {
        this.#crashes.forgive(digest);
        this.#updater.forgive(digest);
        this.#loop.replan();
      },
      options.pollSeconds * 1000,
      log,
    );
    this.#link = new MqttLink(
      identity,
      sessionNumbers(journal, log),
      {
        onConnected: () => {
          this.#uplink.connected((batch) => this.#link.send(batch));
          this.#watch.look();
          listener.onConnected();
        },
        onDoorbell: (reason) => {
          if (reason === 'round') return listener.onRound();
          if (reason === 'operator-profile') return listener.onOperatorProfile();
          if (reason === 'trust') assignments.distrust();
          this.#watch.look();
        },
        onAck: (ack) => void this.#uplink.acknowledged(ack),
      },
      log,
      floor,
    );
    this.#renewal = new Renewal(
      api,
      {
        deviceId,
        fleetCa: identity.fleetCa,
        credentials: identity,
        now: () => Math.max(Date.now(), floor()),
        keep: ground.keepCredentials,
        onRenewed: (credentials) => {
          certified = Math.max(certified, validityOf(credentials.certificate)?.from ?? 0);
          // One object: what TLS makes of it is shared by both.
          const renewed = { fleetCa: identity.fleetCa, ...credentials };
          api.use(renewed);
          this.#link.use(renewed);
          this.#watch.look();
        },
        onRefused: (words) => this.tell('error', 'certificate-not-renewed', words),
      },
      log,
    );
  }

  /** Whether the gateway hears it. */
  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  /** Telemetry that waits on the disk. */
  get spoolBytes(): number {
    return this.#spool.bytes;
  }

  /** Whether it gets on with its updates, or has nothing to do. */
  get isWorking(): boolean {
    return this.#loop.isAlive;
  }

  /** What is here and waits until it may serve; null when nothing does. */
  get waiting(): WaitingUpdate | null {
    const { waiting } = this.#updater;
    if (waiting === null) return null;
    const { candidate } = this.#ground.journal.state;
    const { target, hold } = waiting;
    const { waitsFor, until, laterUntil } = hold;
    return { release: target.release, since: candidate?.fetchedAt ?? null, waitsFor, until, laterUntil };
  }

  /** An application on the board has decided about what waits. @throws ConsentError; what the disk throws */
  async decide(decision: ConsentDecision): Promise<void> {
    await this.#holding.decide(decision);
    // What is allowed goes on with what it is at.
    if (decision.decision === 'allow') this.#loop.wake();
    else this.#loop.replan();
  }

  /** Finds what an earlier run has left to tell. Before it nothing can be told. @throws what the disk throws */
  open(): Promise<void> {
    return this.#spool.open();
  }

  /** Tells a person, without waiting for it. */
  readonly tell = (...event: Parameters<Reporter['event']>): void => void this.reporter.event(...event);

  /** Says what it is and how it found itself, then goes to work. */
  async start(): Promise<void> {
    const { journal, facts } = this.#ground;
    if (journal.damage !== undefined) {
      this.tell('error', 'journal-damaged', `the journal was damaged and put aside: ${journal.damage}`);
    }
    if (facts.simulated === true) {
      this.tell('info', 'facts-simulated', 'the facts of this board were given to the agent, not found by it');
    }
    await this.reporter.facts(facts);
    this.reporter.start();
    this.#loop.wake();
    this.#link.start();
    this.#renewal.start();
    this.#watch.look();
  }

  /** Something that its updates wait for makes progress. */
  showLife(): void {
    this.#loop.showLife();
  }

  /** Begins nothing any more. */
  rest(): void {
    this.#stopping = true;
    this.#watch.stop();
    this.#renewal.stop();
    this.#loopEnded = this.#loop.stop();
  }

  /** Ends its workers, says good-bye, and ends the connection to the gateway; what it is at comes to an end. */
  async leave(): Promise<void> {
    await Promise.allSettled([this.#loopEnded, this.slot.stop(), this.#link.stop()]);
    await this.#uplink.stop();
  }

  /** The last thing. */
  close(): void {
    this.api.close();
  }

  async #workerLost(release: HeldRelease, words: string): Promise<void> {
    if (this.#stopping) return;
    const isLooping = this.#crashes.lost(release.digest, performance.now());
    await this.reporter.event('warning', 'worker-lost', `${release.release}: ${words}`);
    if (isLooping && this.#ground.journal.state.committed?.digest === release.digest) {
      const what = 'its workers keep dying; the release before takes its place, where there is one';
      await this.reporter.event('error', 'release-quarantined', `${release.release}: ${what}`);
      await this.#updater.quarantine(release).catch((error: unknown) => this.#log.warn({ err: error }, 'not noted'));
    }
    this.#loop.wake();
  }
}

/** Numbers each connection, so that the last will of an older one says nothing about a newer. */
const sessionNumbers = (journal: Journal, log: Logger): (() => Promise<number>) => {
  let newest = journal.state.session;
  return async () => {
    newest += 1;
    const session = newest;
    try {
      await journal.update(() => ({ session }));
    } catch (error) {
      // A full disk must not keep the device from saying so.
      log.warn({ err: error }, 'the number of this connection could not be noted');
    }
    return session;
  };
};
