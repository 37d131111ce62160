import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceFacts } from '@aviary/hardware';
import { decodeAgeIdentity } from '@aviary/release';
import type { Logger } from 'pino';
import { BoardRoot } from './facts/board-root.ts';
import { ownProfile } from './facts/own-profile.ts';
import { FleetMember, type MemberOptions } from './fleet-member.ts';
import { writeCredentials } from './identity/credentials.ts';
import { IDENTITY_FOLDER, type Identity } from './identity/identity.ts';
import type { CaptureOptions } from './inference/capture/capture-handle.ts';
import type { CaptureSource } from './inference/capture/capture-source.ts';
import { networkFence } from './inference/network-fence.ts';
import { profileRelease } from './inference/release-profile.ts';
import { Serving } from './inference/serving.ts';
import type { FoundSidecars } from './inference/sidecar/find-sidecars.ts';
import { startWorker } from './inference/worker-handle.ts';
import type { WorkerOptions } from './inference/worker-process.ts';
import type { Learning, LearningOptions } from './learning/learning.ts';
import type { LoopbackAddress } from './local-api/loopback.ts';
import { localResult, ResultStream } from './local-api/result-stream.ts';
import { startLocalApi } from './local-api/start-local-api.ts';
import { OperatorProfiler } from './profiling/operator-profiler.ts';
import type { Watched } from './service-manager/service-manager.ts';
import { Journal } from './state/journal.ts';
import { SealedBox } from './state/sealed-box.ts';
import { openThrottling } from './telemetry/board/throttle-sources.ts';
import { BoardMeter } from './telemetry/board-meter.ts';
import { SpoolDirectory } from './telemetry/spool-files.ts';
import { MemoryPreflight } from './update/memory-preflight.ts';
import { isInMemory, openMemoryStorage } from './update/memory-storage.ts';
import { Preparation } from './update/preparation.ts';
import { PreparedCache } from './update/prepared-cache.ts';
import { ReleaseStore } from './update/release-store.ts';

export interface SupervisorOptions extends LearningOptions, MemberOptions {
  /** Null: pictures come from applications only. */
  readonly source: CaptureSource | null;
  readonly fps: number;
  /** Most that a worker may have in memory; undefined: as much as it takes. */
  readonly workerMemoryMB?: number;
  /** Programs of this board that run what ONNX Runtime does not. */
  readonly sidecars?: FoundSidecars;
  /** Where opened models lie instead of in memory. */
  readonly plaintextDirectory?: string | undefined;
  /** Path of the socket for applications on the board; null: none. */
  readonly socket: string | null;
  /** A port of the board for them, where the socket is out of reach; none by default. */
  readonly listen?: LoopbackAddress | null;
  /** Where the programs of the other processes are, when not beside this one. */
  readonly worker?: Pick<WorkerOptions, 'workerPath' | 'execArgv' | 'frameTimeoutMs'>;
  readonly capture?: Pick<CaptureOptions, 'capturePath' | 'execArgv'>;
}

/** The agent at work. */
export interface Supervisor extends Watched {
  /** Ends all that it started, says good-bye; takes at most four seconds. */
  stop(): Promise<void>;
}

const STOP_DEADLINE_MS = 4_000;
/** Most that engines take on the disk which were built here. */
const PREPARED_BYTES = 2 * 2 ** 30;

/**
 * Starts the agent: it keeps one release serving, brings it to what is assigned, and tells what happens. It runs no
 * model itself, and goes on for ever without a control plane.
 * @throws MemoryStorageError; SocketPathError; ListenError; what the disk throws
 */
export const startSupervisor = async (
  identity: Identity,
  facts: DeviceFacts,
  options: SupervisorOptions,
  log: Logger,
): Promise<Supervisor> => {
  const { deviceId } = identity;
  const { stateDirectory } = options;
  const plainFolder = await openMemoryStorage(deviceId, options.plaintextDirectory);
  const journal = await Journal.open(stateDirectory, identity);
  const store = new ReleaseStore(join(stateDirectory, 'releases'), plainFolder, identity);
  await store.start();

  const sidecars = options.sidecars?.proven ?? [];
  const box = new SealedBox(decodeAgeIdentity(identity.ageIdentity), 'aviary prepared v1');
  const cache = new PreparedCache(join(stateDirectory, 'prepared'), box, { maxBytes: PREPARED_BYTES });
  await cache.start();
  const { workerMemoryMB: maxMemoryMB } = options;
  const ending = new AbortController();
  const preparation = new Preparation({ sidecars, cache, facts, maxMemoryMB, log });
  const profile = await ownProfile(facts);
  const results = new ResultStream();
  let isFlowing: boolean | undefined;
  // For whoever asks the local API; the reporter's own measures from report to report.
  const meter = new BoardMeter({ stateDirectory });
  const serving = new Serving({
    capture: options.source === null ? null : { source: options.source, fps: options.fps, ...options.capture },
    onResult: ({ source }, answered, release) => results.publish(localResult(source, release, answered)),
    onFrameError: (source, words) => log.debug({ source }, words),
    onCaptureState: ({ flowing, words }) => {
      log.debug({ flowing }, words);
      // A camera that is started again and again says the same for days.
      if (flowing === isFlowing) return;
      isFlowing = flowing;
      member.tell(flowing ? 'info' : 'warning', flowing ? 'capture-flowing' : 'capture-stopped', words);
    },
  });
  const memory = new MemoryPreflight();
  const workerOptions = { maxMemoryMB: options.workerMemoryMB, ...options.worker };
  const member = new FleetMember(
    identity,
    {
      journal,
      store,
      spoolFiles: new SpoolDirectory(join(stateDirectory, 'spool')),
      metadata: join(stateDirectory, 'trust'),
      keepCredentials: (credentials) =>
        writeCredentials(join(stateDirectory, IDENTITY_FOLDER), credentials, identity.keeping),
      serving,
      startWorker: async (given) => {
        const onAlive = (): void => member.showLife();
        const prepared = await preparation.ready(given.archiveDirectory, { signal: ending.signal, onAlive });
        return startWorker({ ...given, ...workerOptions, sidecars, prepared });
      },
      preparation,
      memory,
      meter: new BoardMeter({ stateDirectory, throttleC: profile?.throttleC }),
      openThrottling: () => openThrottling(new BoardRoot()),
      facts,
      profile: profile?.id ?? null,
    },
    options,
    {
      onSwitching: async (to) => {
        profiler.serves(to);
        await learning?.learner.serves(to);
      },
      onConnected: () => {
        profiler.look();
        learning?.participant.look();
      },
      onRound: () => learning?.participant.look(),
      onOperatorProfile: () => profiler.look(),
    },
    log,
  );
  await member.open();
  const { api, reporter, slot, tell } = member;
  const profiler = new OperatorProfiler({
    api,
    journal,
    memory,
    reporter,
    profile: (given, frames, signal) => profileRelease({ ...given, ...workerOptions }, frames, signal),
    folder: `${plainFolder}-profile`,
    log,
  });
  // What a device does not do is not loaded.
  const learning: Learning | null =
    options.learnSamples === null
      ? null
      : await (await import('./learning/learning.ts')).openLearning(options, { identity, api, journal, reporter, log });

  if (options.plaintextDirectory !== undefined && !(await isInMemory(plainFolder))) {
    tell('warning', 'plaintext-on-disk', `opened models lie on a disk, in ${plainFolder}, as --plaintext-dir asks`);
  }
  const fence = networkFence();
  log.info({ closed: fence.closed }, `network of workers: ${fence.words}`);
  if (!fence.closed) tell('warning', 'worker-network-open', `workers are not kept from the network: ${fence.words}`);
  const localApi = await startLocalApi(
    { socket: options.socket, listen: options.listen ?? null },
    { results, serving, meter, learner: learning?.learner ?? null, serves: () => slot.serves, member, tell },
    log,
  );
  learning?.learner.start();
  serving.start();
  await member.start();
  log.info({ stateDirectory, plainFolder }, 'started');

  const endAll = async (): Promise<void> => {
    member.rest();
    ending.abort();
    // Whatever fails to end must not keep the others from it.
    await Promise.allSettled([reporter.stop(), learning?.learner.stop()]);
    await Promise.allSettled([
      profiler.stop(),
      learning?.participant.stop(),
      localApi?.stop(),
      serving.stop(),
      member.leave(),
    ]);
    member.close();
    meter.close();
  };
  return {
    get isWorking() {
      return member.isWorking;
    },
    get words() {
      const what = slot.serves === null ? 'nothing serves' : `${slot.serves.release} serves`;
      return `${what}; ${member.isConnected ? 'connected' : 'not connected'} to its fleet`;
    },
    stop: async () => {
      let deadline: NodeJS.Timeout | undefined;
      const passed = new Promise<void>((resolve) => {
        deadline = setTimeout(resolve, STOP_DEADLINE_MS);
      });
      await Promise.race([endAll(), passed]);
      clearTimeout(deadline);
      // Whoever stops the agent has no plain model on the board any more; the next start opens it anew, anyway.
      await rm(plainFolder, { recursive: true, force: true }).catch((error: Error) => {
        log.warn(`opened models are still in ${plainFolder}: ${error.message}`);
      });
    },
  };
};
