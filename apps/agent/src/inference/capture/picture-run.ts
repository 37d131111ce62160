import { fileURLToPath } from 'node:url';
import { type Message, MessageReader } from '../framing.ts';
import { LineReader } from '../line-reader.ts';
import { spawnFenced } from '../worker-fence.ts';
import { type CaptureConfig, captureMessageSchema } from './capture-messages.ts';
import type { CaptureListener, CaptureRun } from './capture-run.ts';

export interface PictureRunOptions {
  /** Frames per second, above 0. */
  readonly fps: number;
  /** The capture's program. Default: the compiled one beside this file. */
  readonly capturePath?: string;
  /** Flags for its Node before the program. */
  readonly execArgv?: readonly string[];
}

const CAPTURE_IMPORTS = ['zod'];

/** Starts our own program that reads the pictures of a folder; it may read that folder and nothing else. */
export const startPictures = (path: string, options: PictureRunOptions, listener: CaptureListener): CaptureRun => {
  const config: CaptureConfig = { path, fps: options.fps };
  const child = spawnFenced({
    program: options.capturePath ?? fileURLToPath(new URL('./capture-main.js', import.meta.url)),
    imports: CAPTURE_IMPORTS,
    config,
    readable: [path],
    addons: false,
    heapMB: 64,
    cwd: '/',
    execArgv: options.execArgv,
  });
  let lastWords = '';
  const reader = new MessageReader((message) => hear(message, listener));
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
  return { child, stop: () => child.stdin.end(), lastWords: () => lastWords, isComplete: () => false };
};

const hear = ({ head, body }: Message, listener: CaptureListener): void => {
  const message = captureMessageSchema.parse(head);
  if (message.kind === 'frame') {
    const { file, truth } = message;
    const picture = { kind: 'encoded', bytes: body } as const;
    listener.onFrame({ source: file, picture, ...(truth === undefined ? {} : { truth }) });
  } else if (message.kind === 'unreadable') {
    listener.onFrameError(message.file, message.words);
  } else {
    listener.onState({ flowing: message.flowing, words: message.words });
  }
};
