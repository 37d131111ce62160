import type { AcceptanceReport } from './acceptance.ts';
import type { AnsweredFrame, Frame } from './frame.ts';
import { type ProcessMemory, readProcessMemory } from './process-memory.ts';
import { chooseSidecar } from './sidecar/sidecar-choice.ts';
import type { StressFigures } from './stress.ts';
import { type ExitReason, type WorkerOptions, WorkerProcess } from './worker-process.ts';

export interface EffectiveProvider {
  readonly requested: readonly string[];
  /** The one that the session was really made with. */
  readonly effective: string;
  /** Why each one before it was not taken, in order. */
  readonly rejected: readonly { readonly provider: string; readonly reason: string }[];
}

/** One loaded release in its own process; where a sidecar runs its models, in two, which live and end together. */
export interface WorkerHandle {
  readonly pid: number;
  /** Of its sidecar; null: it has none. */
  readonly sidecarPid: number | null;
  /** In words, why no second one may run beside it; null: one may. */
  readonly excludes: string | null;
  /** `model@version` of the manifest that it loaded. */
  readonly release: string;
  readonly provider: EffectiveProvider;
  /** @throws FrameError the frame got no answer, the worker lives on. @throws WorkerLostError the worker is gone. */
  infer(frame: Frame): Promise<AnsweredFrame>;
  /**
   * The input of the head when it answered the frame with this id: of the last `REMEMBERED_FRAMES` frames, and only
   * where the release can be trained. Undefined for all others. @throws WorkerLostError
   */
  features(id: string): Promise<Float32Array | undefined>;
  /** Runs the release's own suite in the worker. @throws WorkerLostError, InferenceError `acceptance-failed-to-run`. */
  runAcceptance(): Promise<AcceptanceReport>;
  /** Has the worker answer the suite's pictures for so long, as fast as it can. @throws as `runAcceptance` */
  runStress(seconds: number): Promise<StressFigures>;
  /** What its process has in memory; null: it is gone, or the system does not say. */
  memory(): ProcessMemory | null;
  /** Asks the worker to end, insists after 2 s; returns when the process is gone. May be called again. */
  stop(): Promise<void>;
  /** Resolves once, when the process is gone. Never rejects. */
  readonly exited: Promise<ExitReason>;
}

/**
 * Starts a process that loads the release and answers frames.
 * @throws WorkerStartError with the worker's own words when it cannot; no process is left behind.
 */
export async function startWorker(options: WorkerOptions): Promise<WorkerHandle> {
  const sidecar = await chooseSidecar(options.archiveDirectory, options.sidecars ?? []);
  const worker = new WorkerProcess(options, sidecar);
  const ready = await worker.start();
  return {
    pid: worker.pid,
    sidecarPid: worker.sidecarPid,
    excludes: sidecar?.hello.exclusive === true ? `${sidecar.hello.name} can be used by one release at a time` : null,
    release: ready.release,
    provider: ready.provider,
    infer: (frame) => worker.infer(frame),
    features: (id) => worker.features(id),
    runAcceptance: () => worker.runAcceptance(),
    runStress: (seconds) => worker.runStress(seconds),
    memory: () => memoryOfBoth(worker.pid, worker.sidecarPid),
    stop: () => worker.stop(),
    exited: worker.exited,
  };
}

/** What a worker and its sidecar have in memory together; null as `readProcessMemory`. */
function memoryOfBoth(pid: number, sidecarPid: number | null): ProcessMemory | null {
  const own = readProcessMemory(pid);
  if (own === null || sidecarPid === null) return own;
  const beside = readProcessMemory(sidecarPid);
  return beside && { resident: own.resident + beside.resident, peak: own.peak + beside.peak };
}
