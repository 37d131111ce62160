import { join } from 'node:path';
import type { DeviceFacts } from '@aviary/hardware';
import type { Logger } from 'pino';
import { ownProfile } from './facts/own-profile.ts';
import { validityOf, writeCredentials } from './identity/credentials.ts';
import { IDENTITY_FOLDER, type Identity } from './identity/identity.ts';
import { Renewal } from './identity/renewal.ts';
import type { CaptureOptions, DirectorySource } from './inference/capture/capture-handle.ts';
import { Serving } from './inference/serving.ts';
import type { WorkerOptions } from './inference/worker-handle.ts';
import { type LearningOptions, openLearning } from './learning/learning.ts';
import { DeviceApi } from './link/device-api.ts';
import { MqttLink } from './link/mqtt-link.ts';
import { ResultStream } from './local-api/result-stream.ts';
import { startLocalApi } from './local-api/start-local-api.ts';
import { type HeldRelease, Journal } from './state/journal.ts';
import { Reporter } from './telemetry/reporter.ts';
import { Spool } from './telemetry/spool.ts';
import { SpoolDirectory } from './telemetry/spool-files.ts';
import { Uplink } from './telemetry/uplink.ts';
import { FleetTrust } from './trust/fleet-trust.ts';
import { AssignmentWatch } from './update/assignment-watch.ts';
import { Assignments } from './update/assignments.ts';
import { CrashWatch } from './update/crash-watch.ts';
import { isInMemory, openMemoryStorage } from './update/memory-storage.ts';
import { ReleaseStore } from './update/release-store.ts';
import { ServingSlot } from './update/serving-slot.ts';
import { UpdateLoop } from './update/update-loop.ts';
import { Updater } from './update/updater.ts';

export interface SupervisorOptions extends LearningOptions {
  readonly source: DirectorySource;
  readonly fps: number;
  /** How often it looks for an assignment, and for a part in a federated round, when nobody rings. */
  readonly pollSeconds: number;
  /** Most that waits on disk while offline. */
  readonly spoolBytes: number;
  /** How long whoever sends a release or metadata may be too slow. */
  readonly patienceSeconds: number;
  /** Where opened models lie instead of in memory. */
  readonly plaintextDirectory?: string | undefined;
  /** Path of the socket for applications on the board; null: none. */
  readonly socket: string | null;
  /** Where the programs of the other processes are, when not beside this one. */
  readonly worker?: Pick<WorkerOptions, 'workerPath' | 'execArgv'>;
  readonly capture?: Pick<CaptureOptions, 'capturePath' | 'execArgv'>;
}

/** The agent at work. */
export interface Supervisor {
  /** Ends all that it started, says good-bye; takes at most four seconds. */
  stop(): Promise<void>;
}

const STOP_DEADLINE_MS = 4_000;

/**
 * Starts the agent: it keeps one release serving, brings it to what is assigned, and tells what happens. It runs no
 * model itself, and goes on for ever without a control plane.
 * @throws MemoryStorageError; SocketPathError; what the disk throws
 */
export const startSupervisor = async (
  identity: Identity,
  facts: DeviceFacts,
  options: SupervisorOptions,
  log: Logger,
): Promise<Supervisor> => {
  const { deviceId, epoch } = identity;
  const { stateDirectory } = options;
  const plainFolder = await openMemoryStorage(deviceId, options.plaintextDirectory);
  const journal = await Journal.open(stateDirectory, identity);
  const store = new ReleaseStore(join(stateDirectory, 'releases'), plainFolder, identity);
  await store.start();

  const spool = new Spool(new SpoolDirectory(join(stateDirectory, 'spool')), {
    deviceId,
    epoch,
    maxBytes: options.spoolBytes,
    // Said once the spool has done what it is at.
    onTrouble: (code, words) => void setImmediate(() => tell('warning', code, words)),
  });
  const uplink = new Uplink(spool, log);
  const results = new ResultStream();
  let isFlowing: boolean | undefined;
  const serving = new Serving({
    capture: { source: options.source, fps: options.fps, ...options.capture },
    onResult: ({ source }, { id, label, confidence, lowConfidence }, release) =>
      results.publish({ id, at: Date.now(), source, release, label, confidence, lowConfidence }),
    onFrameError: (source, words) => log.debug({ source }, words),
    onCaptureState: ({ flowing, words }) => {
      log.debug({ flowing }, words);
      // A camera that is started again and again says the same for days.
      if (flowing === isFlowing) return;
      isFlowing = flowing;
      tell(flowing ? 'info' : 'warning', flowing ? 'capture-flowing' : 'capture-stopped', words);
    },
  });
  const reporter = new Reporter(uplink, serving, { stateDirectory, windowSeconds: options.telemetrySeconds }, log);
  const tell = (...event: Parameters<Reporter['event']>): void => void reporter.event(...event);
  await spool.open();

  // The fleet CA has signed the certificate: its beginning has passed, as what the journal has seen signed.
  let certified = validityOf(identity.certificate)?.from ?? 0;
  const floor = () => Math.max(journal.state.timeFloor, certified);
  const api = new DeviceApi(identity.deviceUrl, identity, floor);
  const learning = await openLearning(options, { identity, api, journal, reporter, log });
  const crashes = new CrashWatch();
  const slot = new ServingSlot(
    serving,
    {
      onSwitching: async (to) => {
        await reporter.switching(to);
        // Before its first frame, since that may be labelled at once.
        await learning?.learner.serves(to);
      },
      onServing: (release) => reporter.running(release),
      onLost: (release, words) => void workerLost(release, words),
    },
    options.worker ?? {},
    log,
  );
  const providers = facts.runtimes.find(({ name }) => name === 'onnxruntime')?.providers ?? ['cpu'];
  const patienceMs = options.patienceSeconds * 1000;
  const updater = new Updater({ journal, store, slot, serving, api, patienceMs, providers, reporter, log });
  const loop = new UpdateLoop((signal) => updater.step(signal), log);
  let stopping = false;

  const workerLost = async (release: HeldRelease, words: string): Promise<void> => {
    if (stopping) return;
    const { pauseMs, looping } = crashes.lost(release.digest, performance.now());
    await reporter.event('warning', 'worker-lost', `${release.release}: ${words}`);
    if (looping && journal.state.committed?.digest === release.digest) {
      const what = 'its workers keep dying; the release before takes its place, where there is one';
      await reporter.event('error', 'release-quarantined', `${release.release}: ${what}`);
      await updater.quarantine(release).catch((error: unknown) => log.warn({ err: error }, 'not noted'));
    }
    loop.wakeAfter(pauseMs);
  };

  const trust = new FleetTrust({ stateDirectory, patienceMs }, identity, api, journal, () => loop.replan());
  const assignments = new Assignments(api, trust, identity, await ownProfile(facts), journal);
  const watch = new AssignmentWatch(
    assignments,
    reporter,
    ({ digest }) => {
      crashes.forgive(digest);
      updater.forgive(digest);
      loop.replan();
    },
    options.pollSeconds * 1000,
    log,
  );
  const link = new MqttLink(
    identity,
    sessionNumbers(journal, log),
    {
      onConnected: () => {
        uplink.connected((batch) => link.send(batch));
        watch.look();
        learning?.participant.look();
      },
      onDoorbell: (reason) => {
        if (reason === 'round') return learning?.participant.look();
        if (reason === 'trust') assignments.distrust();
        watch.look();
      },
      onAck: (ack) => void uplink.acknowledged(ack),
    },
    log,
    floor,
  );
  const renewal = new Renewal(
    api,
    {
      deviceId,
      fleetCa: identity.fleetCa,
      credentials: identity,
      now: () => Math.max(Date.now(), floor()),
      keep: (credentials) => writeCredentials(join(stateDirectory, IDENTITY_FOLDER), credentials, identity.keeping),
      onRenewed: (credentials) => {
        certified = Math.max(certified, validityOf(credentials.certificate)?.from ?? 0);
        api.use({ fleetCa: identity.fleetCa, ...credentials });
        link.use(credentials);
        watch.look();
      },
      onRefused: (words) => tell('error', 'certificate-not-renewed', words),
    },
    log,
  );

  if (journal.damage !== undefined) {
    tell('error', 'journal-damaged', `the journal was damaged and put aside: ${journal.damage}`);
  }
  if (facts.simulated === true) {
    tell('info', 'facts-simulated', 'the facts of this board were given to the agent, not found by it');
  }
  if (options.plaintextDirectory !== undefined && !(await isInMemory(plainFolder))) {
    tell('warning', 'plaintext-on-disk', `opened models lie on a disk, in ${plainFolder}, as --plaintext-dir asks`);
  }
  const localApi = await startLocalApi(
    options.socket,
    { results, learner: learning?.learner ?? null, serves: () => slot.serves, tell },
    log,
  );
  await reporter.facts(facts);
  reporter.start();
  learning?.learner.start();
  serving.start();
  loop.wake();
  link.start();
  renewal.start();
  watch.look();
  log.info({ stateDirectory, plainFolder }, 'started');

  const endAll = async (): Promise<void> => {
    watch.stop();
    renewal.stop();
    const loopEnded = loop.stop();
    // Whatever fails to end must not keep the others from it.
    await Promise.allSettled([reporter.stop(), learning?.learner.stop()]);
    await Promise.allSettled([
      learning?.participant.stop(),
      localApi?.stop(),
      loopEnded,
      slot.stop(),
      serving.stop(),
      link.stop(),
    ]);
    uplink.stop();
    api.close();
  };
  return {
    stop: async () => {
      stopping = true;
      let deadline: NodeJS.Timeout | undefined;
      const passed = new Promise<void>((resolve) => {
        deadline = setTimeout(resolve, STOP_DEADLINE_MS);
      });
      await Promise.race([endAll(), passed]);
      clearTimeout(deadline);
    },
  };
};

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
