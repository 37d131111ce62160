import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { operatorProfileSchema } from '@aviary/protocol';
import { z } from 'zod';
import type { AcceptanceReport } from './acceptance.ts';
import { InferenceError, WorkerLostError, WorkerStartError } from './errors.ts';
import type { AnsweredFrame, Frame } from './frame.ts';
import { type Message, MessageReader, writeMessage } from './framing.ts';
import { LineReader } from './line-reader.ts';
import { watchMemory } from './memory-watch.ts';
import type { ProvenSidecar } from './sidecar/find-sidecars.ts';
import { SidecarProcess } from './sidecar/sidecar-process.ts';
import type { StressFigures } from './stress.ts';
import type { OperatorReport } from './worker/operator-sums.ts';
import { spawnFenced } from './worker-fence.ts';
import { type WorkerConfig, type WorkerReply, type WorkerRequest, workerReplySchema } from './worker-messages.ts';
import { type Answer, type Settled, WorkerQuestions } from './worker-questions.ts';

export interface WorkerOptions {
  /** The opened variant: `manifest.json` beside the model and the acceptance suite, as plain files. */
  readonly archiveDirectory: string;
  /** ONNX Runtime's execution providers on this board, best first, e.g. `['cuda', 'cpu']`; those that the release names go before. CPU always ends the list. */
  readonly providers: readonly string[];
  /** The worker's program. Default: the compiled one beside this file. */
  readonly workerPath?: string;
  /** Flags for its Node before the program, e.g. `--conditions=…`. */
  readonly execArgv?: readonly string[];
  /** Upper bound of the worker's JavaScript heap. The model's tensors are outside of it. Default 256. */
  readonly maxHeapMB?: number;
  /** Upper bound of all that the worker has in memory; one that takes more is ended. Default: none. */
  readonly maxMemoryMB?: number | undefined;
  /** Until the model is loaded. Default 60 s. */
  readonly startTimeoutMs?: number;
  /**
   * How long the worker may leave a question unanswered, one frame as well as a heartbeat, counted from its last sign of
   * life. Default 10 s. It is ended when this passes: a model's run cannot be interrupted.
   */
  readonly frameTimeoutMs?: number;
  /** The whole acceptance suite. Default 10 min. */
  readonly acceptanceTimeoutMs?: number;
  /** Where the worker's sessions write what they have measured, for `profileRelease`. Default: they measure nothing. */
  readonly profileFolder?: string;
  /** Period of the heartbeat while nothing is being asked; one unanswered for `frameTimeoutMs` ends the worker. Default 5 s. */
  readonly heartbeatMs?: number;
  /** Threads inside one operator. Default 1. */
  readonly intraOpThreads?: number;
  /** Programs on this board that run what ONNX Runtime does not. Default: none. */
  readonly sidecars?: readonly ProvenSidecar[];
  /** What was built on this device: its path, by the file of the archive in whose place it is loaded. */
  readonly prepared?: Readonly<Record<string, string>>;
  /** Called with each line that the worker, or its sidecar, says on stderr. */
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

/** What the worker's program imports; their folders are what its fence opens. */
const WORKER_IMPORTS = ['onnxruntime-node', 'onnxruntime-common', 'sharp', 'zod', '@aviary/release'];
/** Of which 30 s are for the frames; a long trace has to be read, too. */
const PROFILE_TIMEOUT_MS = 120_000;
const STOP_PATIENCE_MS = 2000;
/** A stress ends by the worker's clock; its last picture may take a while. */
const STRESS_PATIENCE_MS = 30_000;
/** A sidecar that closes its socket ends a moment later. */
const LAST_WORDS_MS = 500;
const MEGABYTE = 2 ** 20;

const operatorReportSchema = operatorProfileSchema.omit({ release: true, digest: true, provider: true });

type Ready = Extract<WorkerReply, { kind: 'ready' }>;

/** The process of a worker, and of its sidecar where it has one: their start, what they are asked, and how they end. */
export class WorkerProcess {
  readonly exited: Promise<ExitReason>;
  readonly #options: WorkerOptions;
  readonly #questions: WorkerQuestions;
  readonly #resolveExited: (reason: ExitReason) => void;
  readonly #chosen: ProvenSidecar | undefined;
  #child: ChildProcessWithoutNullStreams | null = null;
  #sidecar: SidecarProcess | null = null;
  /** The worker says why it ends; what ends beside it says less. */
  #failing: Promise<void> | null = null;
  #onReady: ((ready: Ready) => void) | null = null;
  #onStartFailed: ((error: WorkerStartError) => void) | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #unwatchMemory: () => void = () => undefined;
  /** Makes a frame's id one of its own, whatever ran before. */
  readonly #session = randomBytes(6).toString('hex');
  /** The first line on stderr that speaks of an error: what a worker that dies before it can report would have said. */
  #firstWords = '';
  /** Set once, by whoever ends the process first: what is then told to everybody who waits. */
  #ending: { kind: ExitReason['kind']; error: InferenceError } | null = null;

  constructor(options: WorkerOptions, sidecar: ProvenSidecar | undefined) {
    this.#options = options;
    this.#chosen = sidecar;
    this.#questions = new WorkerQuestions(options.frameTimeoutMs ?? 10_000, (error) => this.#kill('killed', error));
    const { promise, resolve } = Promise.withResolvers<ExitReason>();
    this.exited = promise;
    this.#resolveExited = resolve;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get sidecarPid(): number | null {
    return this.#sidecar?.pid ?? null;
  }

  async start(): Promise<Ready> {
    const { promise, resolve, reject } = Promise.withResolvers<Ready>();
    this.#onReady = resolve;
    this.#onStartFailed = reject;
    const startTimeoutMs = this.#options.startTimeoutMs ?? 60_000;
    const timer = setTimeout(() => {
      const words = `the worker has not loaded its model within ${startTimeoutMs} ms; raise the start time-out if this board is that slow`;
      this.#kill('killed', new WorkerStartError('worker-start-timeout', words));
    }, startTimeoutMs);
    try {
      this.#spawn();
      const ready = await promise;
      this.#heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs ?? 5000);
      return ready;
    } finally {
      clearTimeout(timer);
    }
  }

  async infer(frame: Frame): Promise<AnsweredFrame> {
    const { bytes, ...picture } = frame.picture;
    const { answer } = await this.#ask((id) => ({ kind: 'infer', id, picture }), bytes);
    if (answer.kind === 'result') return { ...answer.result, id: `${this.#session}-${answer.id}`, at: Date.now() };
    throw unexpected(answer);
  }

  async features(id: string): Promise<Float32Array | undefined> {
    const [session, number] = id.split('-');
    const frame = Number(number);
    if (session !== this.#session || !Number.isSafeInteger(frame)) return undefined;
    const { answer, body } = await this.#ask((request) => ({ kind: 'features', id: request, frame }));
    if (answer.kind !== 'features') throw unexpected(answer);
    // A body is memory of its own, so it starts where floats may.
    return answer.remembered ? new Float32Array(body.buffer, body.byteOffset, body.byteLength >> 2) : undefined;
  }

  async runAcceptance(): Promise<AcceptanceReport> {
    const limit = this.#options.acceptanceTimeoutMs ?? 600_000;
    const answer = await this.#askWithin(limit, 'the acceptance suite', (id) => ({ kind: 'acceptance', id }));
    if (answer.kind === 'acceptance') return answer.report;
    throw unexpected(answer);
  }

  async runStress(seconds: number): Promise<StressFigures> {
    const limit = seconds * 1000 + STRESS_PATIENCE_MS;
    const answer = await this.#askWithin(limit, 'the stress', (id) => ({ kind: 'stress', id, seconds }));
    if (answer.kind === 'stress') return answer.figures;
    throw unexpected(answer);
  }

  async profile(frames: number): Promise<OperatorReport> {
    const answer = await this.#askWithin(PROFILE_TIMEOUT_MS, 'the profile', (id) => ({ kind: 'profile', id, frames }));
    if (answer.kind !== 'profile') throw unexpected(answer);
    const report = operatorReportSchema.safeParse(answer.report);
    if (report.success) return report.data;
    throw new InferenceError('profile-failed-to-run', `the worker's profile is none: ${z.prettifyError(report.error)}`);
  }

  async stop(): Promise<void> {
    this.#ending ??= { kind: 'stopped', error: new WorkerLostError('worker-exited', 'the worker was asked to stop') };
    this.#child?.stdin.end();
    const patience = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_PATIENCE_MS);
    await this.exited;
    clearTimeout(patience);
  }

  #spawn(): void {
    const program = this.#options.workerPath ?? fileURLToPath(new URL('./worker/worker-main.js', import.meta.url));
    const { profileFolder } = this.#options;
    const config: WorkerConfig = {
      archiveDirectory: this.#options.archiveDirectory,
      providers: [...this.#options.providers],
      intraOpThreads: this.#options.intraOpThreads ?? 1,
      ...(profileFolder === undefined ? {} : { profileFolder }),
      ...(this.#chosen === undefined ? {} : { hasSidecar: true, prepared: { ...this.#options.prepared } }),
    };
    this.#startSidecar();
    const child = spawnFenced({
      program,
      imports: WORKER_IMPORTS,
      config,
      readable: [this.#options.archiveDirectory, ...(profileFolder === undefined ? [] : [profileFolder])],
      addons: true,
      heapMB: this.#options.maxHeapMB ?? 256,
      cwd: this.#options.archiveDirectory,
      execArgv: this.#options.execArgv,
      socket: this.#sidecar?.socket,
    });
    // The worker has it now. With a copy left here the sidecar would not see that the worker is gone.
    this.#sidecar?.socket.destroy();
    this.#child = child;
    this.#watchMemory();
    const reader = new MessageReader((message) => this.#hear(message));
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#kill(
          'killed',
          new WorkerLostError('protocol-broken', error instanceof Error ? error.message : String(error)),
        );
      }
    });
    const lines = new LineReader((line) => {
      if (this.#firstWords === '' && /error/i.test(line)) this.#firstWords = line.trim();
      this.#options.onLog?.(line);
    });
    child.stderr.on('data', (chunk: Buffer) => lines.push(chunk));
    // A write to a worker that has just died fails here; its exit is what gets told.
    child.stdin.on('error', () => {});
    child.on('error', (error) => void this.#gone(null, null, error.message));
    child.on('close', (code, signal) => {
      lines.end();
      void this.#gone(code, signal, null);
    });
  }

  #startSidecar(): void {
    if (this.#chosen === undefined) return;
    const { manifest, hello } = this.#chosen;
    const sidecar = new SidecarProcess(manifest, (line) => this.#options.onLog?.(`${hello.name}: ${line}`));
    this.#sidecar = sidecar;
    void sidecar.exited.then((words) => {
      // Where the worker was gone first, it is what there is to tell of.
      const isFirst = this.#child?.exitCode === null && this.#child.signalCode === null;
      if (isFirst && this.#failing === null) this.#kill('died', new WorkerLostError('sidecar-lost', words));
    });
  }

  /** Ends a worker that takes longer than that, although it shows life. */
  async #askWithin(limitMs: number, what: string, request: (id: number) => WorkerRequest): Promise<Answer> {
    const timer = setTimeout(() => {
      this.#kill('killed', new WorkerLostError('worker-unresponsive', `${what} took longer than ${limitMs} ms`));
    }, limitMs);
    try {
      return (await this.#ask(request)).answer;
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(request: (id: number) => WorkerRequest, body?: Uint8Array): Promise<Settled> {
    if (this.#ending !== null || this.#child === null) {
      return Promise.reject(this.#ending?.error ?? new WorkerLostError('worker-exited', 'the worker is not running'));
    }
    const { question, settled } = this.#questions.add(request);
    writeMessage(this.#child.stdin, question, body);
    return settled;
  }

  #hear({ head, body }: Message): void {
    const parsed = workerReplySchema.safeParse(head);
    if (!parsed.success) {
      const words = `the worker said something that is no answer: ${parsed.error.issues[0]?.message ?? 'unknown'}`;
      this.#kill('killed', new WorkerLostError('protocol-broken', words));
      return;
    }
    const reply = parsed.data;
    this.#questions.showLife();
    if (reply.kind === 'ready') this.#onReady?.(reply);
    else if (reply.kind === 'failed') this.#failing ??= this.#failed(reply);
    else if (reply.kind !== 'alive') this.#questions.settle(reply, body);
  }

  async #failed({ words, isSidecarLost }: Extract<WorkerReply, { kind: 'failed' }>): Promise<void> {
    if (isSidecarLost === true) {
      // One that has just died says better why than the worker that has lost it.
      const ended = await Promise.race([this.#sidecar?.exited, pause(LAST_WORDS_MS)]);
      const both = ended === undefined ? words : `${words}; ${ended}`;
      this.#kill('died', new WorkerLostError('sidecar-lost', both));
    } else this.#kill('died', new WorkerStartError('worker-start-failed', words));
  }

  #beat(): void {
    if (this.#questions.size > 0) return;
    // Whoever waits for an answer hears of the worker's end; the heartbeat only makes sure that somebody is waiting.
    this.#ask((id) => ({ kind: 'ping', id })).catch(() => {});
  }

  #watchMemory(): void {
    const { maxMemoryMB } = this.#options;
    if (maxMemoryMB === undefined || this.pid === 0) return;
    const pids = [this.pid, ...(this.sidecarPid === null ? [] : [this.sidecarPid])];
    this.#unwatchMemory = watchMemory(pids, maxMemoryMB * MEGABYTE, (rssBytes) => {
      const words = `the worker had ${Math.round(rssBytes / MEGABYTE)} MB in memory, at most ${maxMemoryMB} MB are allowed; it was ended`;
      this.#kill('killed', new WorkerLostError('worker-memory', words));
    });
  }

  #kill(kind: ExitReason['kind'], error: InferenceError): void {
    this.#ending ??= { kind, error };
    this.#child?.kill('SIGKILL');
  }

  async #gone(code: number | null, signal: NodeJS.Signals | null, spawnError: string | null): Promise<void> {
    this.#questions.stopWatching();
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#unwatchMemory();
    await this.#failing;
    const how = spawnError ?? (signal === null ? `exit code ${code}` : `signal ${signal}`);
    const ending = this.#ending ?? {
      kind: 'died',
      error: new WorkerLostError(
        'worker-exited',
        `the worker ended by itself (${how})${this.#firstWords === '' ? '' : `: ${this.#firstWords}`}`,
      ),
    };
    this.#ending = ending;
    this.#onStartFailed?.(
      ending.error instanceof WorkerStartError
        ? ending.error
        : new WorkerStartError('worker-start-failed', ending.error.message),
    );
    this.#questions.rejectAll(ending.error);
    if (ending.kind !== 'stopped') this.#sidecar?.kill();
    // What comes next may need its accelerator, and its memory.
    await this.#sidecar?.end();
    this.#resolveExited({ kind: ending.kind, code, signal, words: ending.error.message });
  }
}

function unexpected(answer: Answer): InferenceError {
  return new InferenceError('protocol-broken', `the worker answered with "${answer.kind}", which was not asked`);
}
