import type { ChildProcess } from 'node:child_process';
import type { Frame } from '../frame.ts';

/** Whether frames flow, and in one sentence why or why not. */
export interface CaptureState {
  readonly flowing: boolean;
  readonly words: string;
}

/** What the capture tells. Listeners must not throw. */
export interface CaptureListener {
  onFrame(frame: Frame): void;
  /** One picture could not be read. */
  onFrameError(source: string, words: string): void;
  /** The source is there, missing or empty, it has ended, or the process has died and is started again. */
  onState(state: CaptureState): void;
}

/** One process that captures, from its start to its end. */
export interface CaptureRun {
  readonly child: ChildProcess;
  /** Asks it to end. */
  stop(): void;
  /** What it has said about its end; empty when nothing. */
  lastWords(): string;
  /** Asked when it has ended: whether there is nothing more to come. */
  isComplete(code: number | null): boolean;
}
