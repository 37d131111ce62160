import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { LineReader } from '../line-reader.ts';
import { networkFence } from '../network-fence.ts';
import { minimalEnvironment } from '../worker-fence.ts';
import type { CaptureListener, CaptureRun } from './capture-run.ts';
import { isAddress, nameOf, secretHider, type VideoSource } from './capture-source.ts';
import { PnmReader } from './pnm-reader.ts';
import { FRAMES_FD, videoCommand } from './video-command.ts';

export interface VideoRunOptions {
  /** Most frames per second, above 0. */
  readonly fps: number;
  /** Without a frame for so long it has stalled. Default 15 s, and three frames at least. */
  readonly stallMs?: number;
  /** Where the video programs are looked for. Default: this process's own. */
  readonly searchPath?: string;
}

const STALL_MS = 15_000;
const LONGEST_WORDS = 600;
/** The exit code by which a command that starts another one says that there is none. */
const NOT_FOUND = 127;
/** What a video program needs of the environment beside what every child gets. */
const PASSED_ON = ['HOME', 'GST_PLUGIN_PATH', 'GST_PLUGIN_SYSTEM_PATH', 'XDG_RUNTIME_DIR'];

/** ffmpeg before 5.1 does not know the newer name of one option: found out once, by its own words. */
let isOldFfmpeg = false;

/**
 * Starts ffmpeg or GStreamer on a source; they are the capture process, and give raw pictures on a pipe. What they decode
 * is foreign, so they are a process apart, without a network where the source is on the board itself.
 */
export const startVideo = (source: VideoSource, options: VideoRunOptions, listener: CaptureListener): CaptureRun => {
  const { fps } = options;
  const isFile = isFileOf(source);
  const { program, args, input, network, debian } = videoCommand(source, { fps, isFile, isOldFfmpeg });
  const [command, ...rest] = [...(network ? [] : networkFence().command), program, ...args];
  const searchPath = options.searchPath ?? process.env.PATH;
  const child = spawn(command ?? program, rest, {
    env: { ...minimalEnvironment(process.env, PASSED_ON), ...(searchPath === undefined ? {} : { PATH: searchPath }) },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  }) as ChildProcessWithoutNullStreams;
  const name = nameOf(source);
  const words = new Words();
  const shown = secretHider(source);

  const stallMs = options.stallMs ?? Math.max(STALL_MS, 3_000 / fps);
  const stall = setTimeout(() => {
    words.add(`no frame came for ${stallMs} ms; it was ended`);
    child.kill('SIGKILL');
  }, stallMs);

  let isFlowing = false;
  const reader = new PnmReader((picture) => {
    stall.refresh();
    if (!isFlowing) listener.onState({ flowing: true, words: `frames come from ${name}` });
    isFlowing = true;
    words.clear();
    listener.onFrame({ source: name, picture });
  });
  const frames = child.stdio[FRAMES_FD] as Readable;
  frames.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      words.add(error instanceof Error ? error.message : String(error));
      frames.destroy();
      child.kill('SIGKILL');
    }
  });
  for (const stream of [child.stdout, child.stderr]) {
    const lines = new LineReader((line) => {
      words.add(line);
      if (line.includes("'fps_mode'")) isOldFfmpeg = true;
    });
    stream.on('data', (chunk: Buffer) => lines.push(chunk));
    stream.on('end', () => lines.end());
  }
  frames.on('error', () => {});
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const missing = `${program} is not on this board: apt-get install ${debian}`;
  child.once('error', (error: NodeJS.ErrnoException) => {
    clearTimeout(stall);
    if (error.code === 'ENOENT') words.add(missing);
  });
  child.once('exit', (code) => {
    clearTimeout(stall);
    if (code === NOT_FOUND) words.add(missing);
  });
  return {
    child,
    stop: () => child.kill('SIGTERM'),
    lastWords: () => shown(words.text),
    // Also one that has come only after we looked for it does not begin anew.
    isComplete: (code) => (isFile || isFileOf(source)) && code === 0 && isFlowing,
  };
};

const isFileOf = (source: VideoSource): boolean => source.kind === 'ffmpeg' && isRegularFile(source.input);

const isRegularFile = (input: string): boolean => {
  if (isAddress(input)) return false;
  return statSync(input, { throwIfNoEntry: false })?.isFile() === true;
};

/** What a program has said since its last frame: its first words and its last ones, since either may be the reason. */
class Words {
  #first = '';
  #last = '';

  get text(): string {
    return [this.#first, this.#last]
      .filter((words) => words !== '')
      .join(' … ')
      .slice(0, LONGEST_WORDS);
  }

  add(line: string): void {
    if (this.#first === '') this.#first = line;
    else this.#last = line;
  }

  clear(): void {
    this.#first = '';
    this.#last = '';
  }
}
