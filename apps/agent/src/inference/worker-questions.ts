import { FrameError, InferenceError, WorkerLostError } from './errors.ts';
import type { WorkerReply, WorkerRequest } from './worker-messages.ts';

/** What answers a question. */
export type Answer = Extract<WorkerReply, { id: number }>;
export type Settled = { readonly answer: Answer; readonly body: Uint8Array };

interface Pending {
  readonly kind: WorkerRequest['kind'];
  readonly resolve: (settled: Settled) => void;
  readonly reject: (error: InferenceError) => void;
}

/** What a worker was asked and has not answered yet, and how long that may last. */
export class WorkerQuestions {
  readonly #pending = new Map<number, Pending>();
  readonly #patienceMs: number;
  readonly #onSilent: (error: WorkerLostError) => void;
  #watchdog: NodeJS.Timeout | null = null;
  #nextId = 1;

  /**
   * @param patienceMs how long one may wait since the last sign of life
   * @param onSilent called when that has passed
   */
  constructor(patienceMs: number, onSilent: (error: WorkerLostError) => void) {
    this.#patienceMs = patienceMs;
    this.#onSilent = onSilent;
  }

  /** How many wait. */
  get size(): number {
    return this.#pending.size;
  }

  /** Numbers a question. @returns it, to be asked at once, and what comes of it */
  add(request: (id: number) => WorkerRequest): {
    readonly question: WorkerRequest;
    readonly settled: Promise<Settled>;
  } {
    const id = this.#nextId;
    this.#nextId += 1;
    const question = request(id);
    const { promise, resolve, reject } = Promise.withResolvers<Settled>();
    this.#pending.set(id, { kind: question.kind, resolve, reject });
    this.#watchdog ??= setTimeout(() => this.#silent(), this.#patienceMs);
    if (this.#pending.size === 1) this.#watchdog.refresh();
    return { question, settled: promise };
  }

  /** The worker has said something. */
  showLife(): void {
    this.#watchdog?.refresh();
  }

  settle(answer: Answer, body: Uint8Array): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    if (answer.kind !== 'error') pending.resolve({ answer, body });
    else if (answer.code === 'acceptance-failed-to-run' || answer.code === 'profile-failed-to-run')
      pending.reject(new InferenceError(answer.code, answer.words));
    else pending.reject(new FrameError(answer.code, answer.words));
  }

  /** There will be no answers any more. */
  rejectAll(error: InferenceError): void {
    this.stopWatching();
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }

  /** The worker is gone: its silence says nothing new. */
  stopWatching(): void {
    if (this.#watchdog !== null) clearTimeout(this.#watchdog);
  }

  #silent(): void {
    const oldest = this.#pending.values().next().value;
    if (oldest === undefined) return;
    this.#onSilent(
      oldest.kind === 'ping'
        ? new WorkerLostError('worker-unresponsive', `no answer to a heartbeat within ${this.#patienceMs} ms`)
        : new WorkerLostError(
            'frame-timeout',
            `no answer to a frame within ${this.#patienceMs} ms; the worker was ended`,
          ),
    );
  }
}
