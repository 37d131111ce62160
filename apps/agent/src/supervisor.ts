import { join } from 'node:path';
import type { DeviceFacts } from '@aviary/hardware';
import type { Logger } from 'pino';
import { ownProfile } from './facts/own-profile.ts';
import { FleetMember, type MemberOptions } from './fleet-member.ts';
import { writeCredentials } from './identity/credentials.ts';
import { IDENTITY_FOLDER, type Identity } from './identity/identity.ts';
import type { CaptureOptions, DirectorySource } from './inference/capture/capture-handle.ts';
import { Serving } from './inference/serving.ts';
import { startWorker, type WorkerOptions } from './inference/worker-handle.ts';
import { type LearningOptions, openLearning } from './learning/learning.ts';
import { ResultStream } from './local-api/result-stream.ts';
import { startLocalApi } from './local-api/start-local-api.ts';
import { Journal } from './state/journal.ts';
import { BoardMeter } from './telemetry/board-meter.ts';
import { SpoolDirectory } from './telemetry/spool-files.ts';
import { MemoryPreflight } from './update/memory-preflight.ts';
import { isInMemory, openMemoryStorage } from './update/memory-storage.ts';
import { ReleaseStore } from './update/release-store.ts';

export interface SupervisorOptions extends LearningOptions, MemberOptions {
  readonly source: DirectorySource;
  readonly fps: number;
  /** Most that a worker may have in memory; undefined: as much as it takes. */
  readonly workerMemoryMB?: number;
  /** Where opened models lie instead of in memory. */
  readonly plaintextDirectory?: string | undefined;
  /** Path of the socket for applications on the board; null: none. */
  readonly socket: string | null;
  /** Where the programs of the other processes are, when not beside this one. */
  readonly worker?: Pick<WorkerOptions, 'workerPath' | 'execArgv' | 'frameTimeoutMs'>;
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
  const { deviceId } = identity;
  const { stateDirectory } = options;
  const plainFolder = await openMemoryStorage(deviceId, options.plaintextDirectory);
  const journal = await Journal.open(stateDirectory, identity);
  const store = new ReleaseStore(join(stateDirectory, 'releases'), plainFolder, identity);
  await store.start();

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
      member.tell(flowing ? 'info' : 'warning', flowing ? 'capture-flowing' : 'capture-stopped', words);
    },
  });
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
      startWorker: (given) => startWorker({ ...given, maxMemoryMB: options.workerMemoryMB, ...options.worker }),
      memory: new MemoryPreflight(),
      meter: new BoardMeter(stateDirectory),
      facts,
      profile: await ownProfile(facts),
    },
    options,
    {
      onSwitching: async (to) => learning?.learner.serves(to),
      onConnected: () => learning?.participant.look(),
      onRound: () => learning?.participant.look(),
    },
    log,
  );
  await member.open();
  const { api, reporter, slot, tell } = member;
  const learning = await openLearning(options, { identity, api, journal, reporter, log });

  if (options.plaintextDirectory !== undefined && !(await isInMemory(plainFolder))) {
    tell('warning', 'plaintext-on-disk', `opened models lie on a disk, in ${plainFolder}, as --plaintext-dir asks`);
  }
  const localApi = await startLocalApi(
    options.socket,
    { results, learner: learning?.learner ?? null, serves: () => slot.serves, updates: member, tell },
    log,
  );
  learning?.learner.start();
  serving.start();
  await member.start();
  log.info({ stateDirectory, plainFolder }, 'started');

  const endAll = async (): Promise<void> => {
    member.rest();
    // Whatever fails to end must not keep the others from it.
    await Promise.allSettled([reporter.stop(), learning?.learner.stop()]);
    await Promise.allSettled([learning?.participant.stop(), localApi?.stop(), serving.stop(), member.leave()]);
    member.close();
  };
  return {
    stop: async () => {
      let deadline: NodeJS.Timeout | undefined;
      const passed = new Promise<void>((resolve) => {
        deadline = setTimeout(resolve, STOP_DEADLINE_MS);
      });
      await Promise.race([endAll(), passed]);
      clearTimeout(deadline);
    },
  };
};
