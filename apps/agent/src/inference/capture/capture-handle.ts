import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Frame } from '../frame.ts';
import { type Message, MessageReader } from '../framing.ts';
import { LineReader } from '../line-reader.ts';
import { fenceFlags, minimalEnvironment, programFolders } from '../worker-fence.ts';
import { type CaptureConfig, captureMessageSchema } from './capture-messages.ts';

/** Where frames come from. `labels.csv` (`file,label`) in the directory gives the right answers, where it exists. */
export interface DirectorySource {
  readonly kind: 'directory';
  /** Absolute. */
  readonly path: string;
}

export interface CaptureOptions {
  readonly source: DirectorySource;
  /** Frames per second, above 0. */
  readonly fps: number;
  /** The capture's program. Default: the compiled one beside this file. */
  readonly capturePath?: string;
  /** Flags for its Node before the program. */
  readonly execArgv?: readonly string[];
  /** First pause before a dead capture is started again; doubles up to 30 s while it dies without a frame. Default 500 ms. */
  readonly restartMs?: number;
}

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
  /** The source is there, missing or empty, or the process has died and is started again. */
  onState(state: CaptureState): void;
}

export interface CaptureHandle {
  /** Of the running process, or null while it waits to be started again. */
  readonly pid: number | null;
  /** Ends the process and returns when it is gone. May be called again. */
  stop(): Promise<void>;
}

const CAPTURE_IMPORTS = ['zod'];
const MAX_RESTART_MS = 30_000;
const STOP_PATIENCE_MS = 2000;

/** Starts the capture process and keeps it running until `stop()`. */
export function startCapture(options: CaptureOptions, listener: CaptureListener): CaptureHandle {
  const capture = new CaptureProcess(options, listener);
  capture.start();
  return capture;
}

class CaptureProcess implements CaptureHandle {
  readonly #options: CaptureOptions;
  readonly #listener: CaptureListener;
  #child: ChildProcessWithoutNullStreams | null = null;
  #gone: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | null = null;
  #pauseMs: number;
  #stopped = false;

  constructor(options: CaptureOptions, listener: CaptureListener) {
    this.#options = options;
    this.#listener = listener;
    this.#pauseMs = options.restartMs ?? 500;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): void {
    const program = this.#options.capturePath ?? fileURLToPath(new URL('./capture-main.js', import.meta.url));
    const { source, fps } = this.#options;
    const config: CaptureConfig = { path: source.path, fps };
    const flags = [
      '--max-old-space-size=64',
      ...fenceFlags([source.path, ...programFolders(program, CAPTURE_IMPORTS)], false),
      ...(this.#options.execArgv ?? []),
    ];
    const child = spawn(process.execPath, [...flags, program, JSON.stringify(config)], {
      cwd: '/',
      env: minimalEnvironment(process.env),
      stdio: 'pipe',
    });
    this.#child = child;
    let lastWords = '';
    const reader = new MessageReader((message) => this.#hear(message));
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        lastWords = error instanceof Error ? error.message : String(error);
        child.kill('SIGKILL');
      }
    });
    const lines = new LineReader((line) => {
      if (lastWords === '') lastWords = line;
    });
    child.stderr.on('data', (chunk: Buffer) => lines.push(chunk));
    child.stdin.on('error', () => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gone = promise;
    const ended = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = null;
      resolve();
      if (!this.#stopped) this.#startAgain(lastWords === '' ? how : `${how}: ${lastWords}`);
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', (code, signal) => ended(signal === null ? `exit code ${code}` : `signal ${signal}`));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    const child = this.#child;
    child?.stdin.end();
    const patience = setTimeout(() => child?.kill('SIGKILL'), STOP_PATIENCE_MS);
    await this.#gone;
    clearTimeout(patience);
  }

  #hear({ head, body }: Message): void {
    if (this.#stopped) return;
    const message = captureMessageSchema.parse(head);
    if (message.kind === 'frame') {
      this.#pauseMs = this.#options.restartMs ?? 500;
      const { file, truth } = message;
      this.#listener.onFrame({
        source: file,
        picture: { kind: 'encoded', bytes: body },
        ...(truth === undefined ? {} : { truth }),
      });
    } else if (message.kind === 'unreadable') {
      this.#listener.onFrameError(message.file, message.words);
    } else {
      this.#listener.onState({ flowing: message.flowing, words: message.words });
    }
  }

  #startAgain(how: string): void {
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(pause * 2, MAX_RESTART_MS);
    this.#listener.onState({
      flowing: false,
      words: `the capture process ended (${how}); starting it again in ${pause} ms`,
    });
    this.#restart = setTimeout(() => this.start(), pause);
  }
}
