import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Message, MessageReader, writeMessage } from '../inference/framing.ts';
import { LineReader } from '../inference/line-reader.ts';
import { ProcessUsageMeter } from '../inference/process-usage.ts';
import { spawnFenced } from '../inference/worker-fence.ts';
import {
  type TrainerConfig,
  type TrainerReply,
  type TrainerRequest,
  trainerReplySchema,
} from './trainer/trainer-messages.ts';

export interface TrainerOptions {
  /** The trainer's program. Default: the compiled one beside this file. */
  readonly trainerPath?: string;
  /** Flags for its Node before the program. */
  readonly execArgv?: readonly string[];
  /** Memory in which it must make do, beside four times its samples. Default 512. */
  readonly maxMB?: number;
}

type FailureCode = Extract<TrainerReply, { kind: 'failed' }>['code'];

/** The trainer gave no result. */
export class TrainerError extends Error {
  readonly code: FailureCode | 'trainer-died' | 'trainer-memory';
  constructor(code: TrainerError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** What came of it. */
export interface TrainerResult {
  readonly reply: Exclude<TrainerReply, { kind: 'failed' }>;
  readonly body: Uint8Array;
}

const TRAINER_IMPORTS = [
  'onnxruntime-node',
  'onnxruntime-common',
  'zod',
  '@aviary/federation',
  '@aviary/onnx',
  '@aviary/release',
];
const HEAP_MB = 256;
const LOOK_AT_MEMORY_MS = 500;

/**
 * Trains or evaluates in a process of its own: of low priority, so that frames go first; fenced like a worker,
 * so that it sees the release and the samples that it is given, and nothing else.
 * @param folder of the opened release
 * @param signal ends the process at once
 * @throws TrainerError; the signal's reason
 */
export const runTrainer = async (
  folder: string,
  request: TrainerRequest,
  body: Uint8Array,
  signal: AbortSignal,
  options: TrainerOptions = {},
): Promise<TrainerResult> => {
  signal.throwIfAborted();
  const program = options.trainerPath ?? fileURLToPath(new URL('./trainer/trainer-main.js', import.meta.url));
  const config: TrainerConfig = { folder, supervisor: process.pid };
  const child = spawnFenced({
    program,
    imports: TRAINER_IMPORTS,
    config,
    readable: [folder],
    addons: true,
    heapMB: HEAP_MB,
    cwd: folder,
    execArgv: options.execArgv,
  });
  let failure: Error | undefined;
  const kill = (error: Error): void => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const abort = (): void => kill(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  signal.addEventListener('abort', abort, { once: true });
  const stopWatching = watchMemory(child.pid, (options.maxMB ?? 512) * 2 ** 20 + 4 * body.byteLength, kill);
  let answer: Message | undefined;
  const reader = new MessageReader((message) => {
    answer = message;
  });
  child.stdout.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      kill(new TrainerError('trainer-died', error instanceof Error ? error.message : String(error)));
    }
  });
  let firstWords = '';
  const lines = new LineReader((line) => {
    if (firstWords === '' && /error/i.test(line)) firstWords = `: ${line.trim()}`;
  });
  child.stderr.on('data', (chunk: Buffer) => lines.push(chunk));
  // A write to a trainer that has just died fails here; its end is what gets told.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killed) => resolve(killed === null ? `exit code ${code}` : `signal ${killed}`));
  });
  try {
    if (child.pid !== undefined) lowerPriority(child.pid);
    writeMessage(child.stdin, request, body);
    child.stdin.end();
    const how = await ended;
    if (failure !== undefined) throw failure;
    if (answer === undefined) {
      throw new TrainerError('trainer-died', `the trainer ended without a result (${how})${firstWords}`);
    }
    return resultOf(answer);
  } finally {
    stopWatching();
    signal.removeEventListener('abort', abort);
  }
};

const resultOf = ({ head, body }: Message): TrainerResult => {
  const reply = trainerReplySchema.parse(head);
  if (reply.kind === 'failed') throw new TrainerError(reply.code, reply.words);
  return { reply, body };
};

const lowerPriority = (pid: number): void => {
  try {
    // Not the lowest: on a board that is busy all the time it would never come to its end.
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already, or the kernel does not let us: then it competes with the worker.
  }
};

/** What a process maps outside of its heap nothing else bounds. */
const watchMemory = (pid: number | undefined, limit: number, kill: (error: Error) => void): (() => void) => {
  const meter = new ProcessUsageMeter();
  const timer = setInterval(() => {
    if (pid === undefined) return;
    const { rssBytes } = meter.sample([pid]);
    if (rssBytes <= limit) return;
    const [took, most] = [rssBytes, limit].map((bytes) => Math.round(bytes / 2 ** 20));
    kill(new TrainerError('trainer-memory', `the trainer took ${took} MB, and may take ${most}; it was ended`));
  }, LOOK_AT_MEMORY_MS);
  return () => {
    clearInterval(timer);
    meter.close();
  };
};
