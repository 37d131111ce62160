import type { Frame } from '../frame.ts';

/** Where frames come from. `labels.csv` (`file,label`) in the directory gives the right answers, where it exists. */
export interface DirectorySource {
  readonly kind: 'directory';
  readonly path: string;
}

export interface CaptureOptions {
  readonly source: DirectorySource;
  /** Frames per second, above 0. */
  readonly fps: number;
  /** The capture's program. Default: the compiled one beside this file. */
  readonly capturePath?: string;
  readonly execArgv?: readonly string[];
  /** First pause before a dead capture is started again; doubles up to 30 s. Default 500 ms. */
  readonly restartMs?: number;
}

/** What the capture tells. Listeners must not throw; a frame's listener that returns a promise is waited for. */
export interface CaptureListener {
  onFrame(frame: Frame): void | Promise<void>;
  /** One picture could not be read. */
  onFrameError(source: string, words: string): void;
  /** The source is missing, empty, back, or the process was restarted: one sentence, and whether frames flow. */
  onState(state: { readonly flowing: boolean; readonly words: string }): void;
}

export interface CaptureHandle {
  /** Of the running process, or null while it waits to be started again. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

/** Starts the capture process and keeps it running until `stop()`. */
export declare function startCapture(options: CaptureOptions, listener: CaptureListener): CaptureHandle;
