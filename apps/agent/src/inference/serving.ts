import type { CaptureOptions } from './capture/capture-handle.ts';
import type { Frame, InferenceResult } from './frame.ts';
import type { MetricsSnapshot } from './metrics-window.ts';
import type { Observation } from './observation.ts';
import type { WorkerHandle } from './worker-handle.ts';

export interface ServingOptions {
  readonly capture: CaptureOptions;
  /** Frames that may wait for the worker; the oldest is dropped and counted. Default 4. */
  readonly mailboxSize?: number;
  readonly onResult?: (frame: Frame, result: InferenceResult) => void;
  /** One frame that got no answer. */
  readonly onFrameError?: (source: string, words: string) => void;
  readonly onCaptureState?: (state: { readonly flowing: boolean; readonly words: string }) => void;
}

/** Frames from the capture to whichever worker serves now. Without a worker frames are dropped and counted. */
export interface Serving {
  /** Starts the capture. */
  start(): void;
  /** From the next frame on this worker serves; the one before is returned, idle, neither stopped nor owned any more. */
  switchTo(worker: WorkerHandle | null): Promise<WorkerHandle | null>;
  /** The worker that serves now. */
  readonly worker: WorkerHandle | null;
  /** Counts since the last `take()`, and starts a new window. */
  take(): MetricsSnapshot;
  /** Starts the observation anew, e.g. when probation begins. */
  mark(): void;
  /** Everything since the last `mark()`. */
  observe(): Observation;
  /** Ends the capture; the worker stays with its owner. */
  stop(): Promise<void>;
}

export declare function createServing(options: ServingOptions): Serving;
