import { type CaptureHandle, type CaptureOptions, startCapture } from './capture/capture-handle.ts';
import type { CaptureState } from './capture/capture-run.ts';
import { FrameError, InferenceError, RequestRefusedError, WorkerLostError } from './errors.ts';
import type { AnsweredFrame, Frame } from './frame.ts';
import { type Answer, FrameQueue, type Request, type Waiting } from './frame-queue.ts';
import { FrameTotals } from './frame-totals.ts';
import { type MetricsSnapshot, MetricsWindow } from './metrics-window.ts';
import type { FrameWitness } from './shadow-run.ts';
import type { WorkerHandle } from './worker-handle.ts';

export interface ServingOptions {
  /** Null: frames come from applications only. */
  readonly capture: CaptureOptions | null;
  /** Frames that may wait for the worker; the oldest is dropped and counted. Default 4. */
  readonly mailboxSize?: number;
  /** Requests of applications that may wait for the worker; one more is refused. Default 8. */
  readonly mostRequests?: number;
  /** A frame that was answered, and by which release. */
  readonly onResult?: (frame: Frame, result: AnsweredFrame, release: string) => void;
  /** One frame that got no answer. */
  readonly onFrameError?: (source: string, words: string) => void;
  readonly onCaptureState?: (state: CaptureState) => void;
}

/** What probation judges by: everything since the mark. `p95Ms` is 0 until a frame was answered. */
export interface Observation {
  readonly frames: number;
  readonly errors: number;
  readonly lowConfidence: number;
  readonly labelled: number;
  readonly correct: number;
  readonly p95Ms: number;
}

/** One that the model runs, and one that waits in the worker's pipe, so that the model never waits for the supervisor. */
const IN_FLIGHT = 2;

/**
 * Frames from the capture, and pictures of applications, to whichever worker serves now. Without a worker frames are
 * dropped and counted.
 */
export class Serving {
  readonly #options: ServingOptions;
  readonly #queue: FrameQueue;
  /** Since this process began. */
  readonly totals = new FrameTotals();
  readonly #window = new MetricsWindow();
  readonly #sinceMark = new MetricsWindow();
  #capture: CaptureHandle | null = null;
  #captureState: CaptureState | null = null;
  #worker: WorkerHandle | null = null;
  #witness: FrameWitness | null = null;
  #isDisturbed = false;
  /** Frames that a worker has been given and has not answered. */
  readonly #inFlight = new Set<Promise<void>>();

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#queue = new FrameQueue(options.mailboxSize ?? 4, options.mostRequests ?? 8);
  }

  /** The worker that serves now; null also after it was lost. */
  get worker(): WorkerHandle | null {
    return this.#worker;
  }

  /** What waits for the worker. */
  get waiting(): { readonly source: number; readonly request: number } {
    return { source: this.#queue.frames, request: this.#queue.requests };
  }

  /** Whether frames flow; null until the capture has said so, and where there is none. */
  get captureState(): CaptureState | null {
    return this.#captureState;
  }

  /** How often the capture's process has ended without being asked to. */
  get captureRestarts(): number {
    return this.#capture?.restarts ?? 0;
  }

  /** Starts the capture. */
  start(): void {
    const { capture } = this.#options;
    if (capture === null) return;
    this.#capture ??= startCapture(capture, {
      onFrame: (frame) => this.#offer(frame),
      onFrameError: (source, words) => this.#failed(source, 'frame-unreadable', words),
      onState: (state) => {
        this.#captureState = state;
        this.#options.onCaptureState?.(state);
      },
    });
  }

  /**
   * The answer to a picture of an application. It counts as the capture's frames do, but for a picture that is none:
   * that says something of who sent it, and nothing of the release.
   * @param signal who asked does not wait any more
   * @throws RequestRefusedError `nothing-serves`, `requests-too-many`; FrameError; WorkerLostError; the signal's reason
   */
  async ask(frame: Frame, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    if (this.#worker === null) {
      throw new RequestRefusedError('nothing-serves', 'No release serves on this device now. Try again in a while.');
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request: Request = { frame, resolve, reject };
    if (!this.#queue.ask(request)) {
      const words = `${this.#queue.requests} pictures wait for the model already. Try again in a while, or send fewer.`;
      throw new RequestRefusedError('requests-too-many', words);
    }
    const withdraw = (): void => {
      this.#queue.withdraw(request);
      reject(signal.reason);
    };
    signal.addEventListener('abort', withdraw, { once: true });
    this.#pump();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', withdraw);
    }
  }

  /**
   * From the next frame on this worker serves, `null`: none. The one before is returned when it has answered its last
   * frames; it still runs and belongs to the caller.
   */
  async switchTo(worker: WorkerHandle | null): Promise<WorkerHandle | null> {
    const before = this.#worker;
    this.#worker = worker;
    await Promise.all(this.#inFlight);
    this.#pump();
    return before;
  }

  /** Who hears of each answered frame from now on; null: nobody. What serves waits for nobody. */
  witness(witness: FrameWitness | null): void {
    this.#witness = witness;
  }

  /**
   * Another release takes its share of the board, until it does not: what serves is slower for no fault of its own, and
   * its frames are left out of what is observed. What telemetry counts stays as it is.
   */
  disturbed(isDisturbed: boolean): void {
    this.#isDisturbed = isDisturbed;
  }

  /** Counts since the last `take()`, and starts a new window. */
  take(): MetricsSnapshot {
    return this.#window.take();
  }

  /** Starts the observation anew, e.g. when probation begins. */
  mark(): void {
    this.#sinceMark.reset();
  }

  /** Everything since the last `mark()` that nothing has disturbed, untouched by `take()`. */
  observe(): Observation {
    const { frames, errors, lowConfidence, labelled, correct, latencyMs } = this.#sinceMark.read();
    return { frames, errors, lowConfidence, labelled, correct, p95Ms: latencyMs.p95 };
  }

  /** Ends the capture; the worker stays with its owner. */
  async stop(): Promise<void> {
    await this.#capture?.stop();
    this.#capture = null;
    await this.switchTo(null);
  }

  #offer(frame: Frame): void {
    const dropped = this.#queue.offer(frame);
    if (dropped > 0) {
      this.#window.dropped(dropped);
      if (!this.#isDisturbed) this.#sinceMark.dropped(dropped);
      this.totals.dropped[this.#worker === null ? 'nothing-serves' : 'worker-busy'] += dropped;
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#worker !== null && this.#inFlight.size < IN_FLIGHT) {
      const next = this.#queue.take();
      if (next === undefined) return;
      const answered = this.#answer(this.#worker, next).then(() => {
        this.#inFlight.delete(answered);
        this.#pump();
      });
      this.#inFlight.add(answered);
    }
  }

  async #answer(worker: WorkerHandle, { frame, request }: Waiting): Promise<void> {
    try {
      const result = await worker.infer(frame);
      this.#window.answered(result, frame.truth);
      if (!this.#isDisturbed) this.#sinceMark.answered(result, frame.truth);
      this.totals.countAnswer(request === null ? 'source' : 'request', result);
      request?.resolve({ result, release: worker.release });
      this.#options.onResult?.(frame, result, worker.release);
      this.#witness?.seen(frame, result);
    } catch (error) {
      request?.reject(error);
      const isTheirs = request !== null && error instanceof FrameError && error.code === 'frame-undecodable';
      if (!isTheirs) {
        const code = error instanceof InferenceError ? error.code : 'frame-failed';
        this.#failed(frame.source, code, error instanceof Error ? error.message : String(error));
      }
      // Its owner hears of it by `exited` and decides what comes next; until then frames wait and drop.
      if (error instanceof WorkerLostError && this.#worker === worker) this.#worker = null;
    }
  }

  #failed(source: string, code: string, words: string): void {
    this.#window.failed();
    if (!this.#isDisturbed) this.#sinceMark.failed();
    this.totals.countError(code);
    this.#options.onFrameError?.(source, words);
  }
}
