import type { CaptureListener, CaptureRun } from './capture-run.ts';
import { type CaptureSource, nameOf } from './capture-source.ts';
import { type PictureRunOptions, startPictures } from './picture-run.ts';
import { startVideo, type VideoRunOptions } from './video-run.ts';

export interface CaptureOptions extends PictureRunOptions, VideoRunOptions {
  readonly source: CaptureSource;
  /** First pause before a dead capture is started again; doubles up to 30 s while it dies without a frame. Default 500 ms. */
  readonly restartMs?: number;
}

export interface CaptureHandle {
  /** Of the running process, or null while it waits to be started again. */
  readonly pid: number | null;
  /** How often a process of it has ended without being asked to. */
  readonly restarts: number;
  /** Ends the process and returns when it is gone. May be called again. */
  stop(): Promise<void>;
}

const RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
const STOP_PATIENCE_MS = 2000;

/** Starts the capture process and keeps it running until `stop()`, or until its video is over. */
export function startCapture(options: CaptureOptions, listener: CaptureListener): CaptureHandle {
  const capture = new KeptCapture(options, listener);
  capture.start();
  return capture;
}

class KeptCapture implements CaptureHandle {
  readonly #options: CaptureOptions;
  readonly #listener: CaptureListener;
  /** What a process tells as long as it is wanted. */
  readonly #ears: CaptureListener;
  #run: CaptureRun | null = null;
  #gone: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | null = null;
  #restarts = 0;
  #pauseMs: number;
  #stopped = false;

  constructor(options: CaptureOptions, listener: CaptureListener) {
    this.#options = options;
    this.#listener = listener;
    this.#pauseMs = options.restartMs ?? RESTART_MS;
    this.#ears = {
      onFrame: (frame) => {
        if (this.#stopped) return;
        this.#pauseMs = options.restartMs ?? RESTART_MS;
        listener.onFrame(frame);
      },
      onFrameError: (source, words) => {
        if (!this.#stopped) listener.onFrameError(source, words);
      },
      onState: (state) => {
        if (!this.#stopped) listener.onState(state);
      },
    };
  }

  get pid(): number | null {
    return this.#run?.child.pid ?? null;
  }

  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    const { source } = this.#options;
    const run =
      source.kind === 'directory'
        ? startPictures(source.path, this.#options, this.#ears)
        : startVideo(source, this.#options, this.#ears);
    this.#run = run;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gone = promise;
    const ended = (code: number | null, how: string): void => {
      if (this.#run !== run) return;
      this.#run = null;
      resolve();
      if (this.#stopped) return;
      if (run.isComplete(code)) this.#over();
      else this.#startAgain(how, run.lastWords());
    };
    run.child.on('error', (error) => ended(null, error.message));
    run.child.on('close', (code, signal) => ended(code, signal === null ? `exit code ${code}` : `signal ${signal}`));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    const run = this.#run;
    run?.stop();
    const patience = setTimeout(() => run?.child.kill('SIGKILL'), STOP_PATIENCE_MS);
    await this.#gone;
    clearTimeout(patience);
  }

  #over(): void {
    const name = nameOf(this.#options.source);
    this.#listener.onState({ flowing: false, words: `${name} has come to its end; --loop plays it over and over` });
  }

  #startAgain(how: string, lastWords: string): void {
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(pause * 2, MAX_RESTART_MS);
    this.#restarts += 1;
    const why = lastWords === '' ? how : `${how}: ${lastWords}`;
    this.#listener.onState({
      flowing: false,
      words: `the capture process ended (${why}); starting it again in ${pause} ms`,
    });
    this.#restart = setTimeout(() => this.start(), pause);
  }
}
