import type { AcceptanceReport } from './acceptance.ts';
import type { Frame, InferenceResult } from './frame.ts';

export interface WorkerOptions {
  /** The opened variant: `manifest.json` beside the model and the acceptance suite, as plain files. */
  readonly archiveDirectory: string;
  /** ONNX Runtime execution providers, best first, e.g. `['cuda', 'cpu']`. CPU is tried last even when it is not named. */
  readonly providers: readonly string[];
  /** Threads inside one operator. Default 1. */
  readonly intraOpThreads?: number;
  /** The worker's program. Default: the compiled one beside this file. */
  readonly workerPath?: string;
  /** Flags for its Node before the program, e.g. `--conditions=…`. */
  readonly execArgv?: readonly string[];
  /** Upper bound of the worker's JavaScript heap. The model's tensors are outside of it. Default 256. */
  readonly maxHeapMB?: number;
  /** Until the model is loaded. Default 60 s. */
  readonly startTimeoutMs?: number;
  /** One frame, from being sent to being answered. Default 10 s. The worker is ended when it passes: `run` cannot be interrupted. */
  readonly frameTimeoutMs?: number;
  /** The whole acceptance suite. Default 10 min. */
  readonly acceptanceTimeoutMs?: number;
  /** Period of the heartbeat while nothing is being asked; three missed end the worker. Default 5 s. */
  readonly heartbeatMs?: number;
  /** Called with each line that the worker says on stderr. */
  readonly onLog?: (line: string) => void;
}

/** How a worker's process ended. */
export interface ExitReason {
  /** `stopped`: asked to. `killed`: ended by the supervisor for being silent. `died`: by itself or by somebody else. */
  readonly kind: 'stopped' | 'killed' | 'died';
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** One sentence for people. */
  readonly words: string;
}

export interface EffectiveProvider {
  readonly requested: readonly string[];
  /** The one that the session was really made with. */
  readonly effective: string;
  /** Why each one before it was not taken, in order. */
  readonly rejected: readonly { readonly provider: string; readonly reason: string }[];
}

/** One loaded release in its own process. */
export interface WorkerHandle {
  readonly pid: number;
  /** `model@version` of the manifest that it loaded. */
  readonly release: string;
  readonly provider: EffectiveProvider;
  /** @throws FrameError the frame got no answer, the worker lives on. @throws WorkerLostError the worker is gone. */
  infer(frame: Frame): Promise<InferenceResult>;
  /** Runs the release's own suite in the worker. @throws WorkerLostError, InferenceError `acceptance-failed-to-run`. */
  runAcceptance(): Promise<AcceptanceReport>;
  /** Asks the worker to end, insists after 2 s; returns when the process is gone. May be called again. */
  stop(): Promise<void>;
  /** Resolves once, when the process is gone. Never rejects. */
  readonly exited: Promise<ExitReason>;
}

/**
 * Starts a process that loads the release and answers frames.
 * @throws WorkerStartError with the worker's own words when it cannot; no process is left behind.
 */
export declare function startWorker(options: WorkerOptions): Promise<WorkerHandle>;
