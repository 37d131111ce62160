import { type CaptureHandle, type CaptureOptions, type CaptureState, startCapture } from './capture/capture-handle.ts';
import { WorkerLostError } from './errors.ts';
import type { AnsweredFrame, Frame } from './frame.ts';
import { Mailbox } from './mailbox.ts';
import { type MetricsSnapshot, MetricsWindow } from './metrics-window.ts';
import type { WorkerHandle } from './worker-handle.ts';

export interface ServingOptions {
  readonly capture: CaptureOptions;
  /** Frames that may wait for the worker; the oldest is dropped and counted. Default 4. */
  readonly mailboxSize?: number;
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

/** Frames from the capture to whichever worker serves now. Without a worker frames are dropped and counted. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #mailbox: Mailbox<Frame>;
  readonly #window = new MetricsWindow();
  readonly #sinceMark = new MetricsWindow();
  #capture: CaptureHandle | null = null;
  #worker: WorkerHandle | null = null;
  /** Frames that a worker has been given and has not answered. */
  readonly #inFlight = new Set<Promise<void>>();

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#mailbox = new Mailbox(options.mailboxSize ?? 4);
  }

  /** The worker that serves now; null also after it was lost. */
  get worker(): WorkerHandle | null {
    return this.#worker;
  }

  /** Starts the capture. */
  start(): void {
    this.#capture ??= startCapture(this.#options.capture, {
      onFrame: (frame) => this.#offer(frame),
      onFrameError: (source, words) => this.#failed(source, words),
      onState: (state) => this.#options.onCaptureState?.(state),
    });
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

  /** Counts since the last `take()`, and starts a new window. */
  take(): MetricsSnapshot {
    return this.#window.take();
  }

  /** Starts the observation anew, e.g. when probation begins. */
  mark(): void {
    this.#sinceMark.reset();
  }

  /** Everything since the last `mark()`, untouched by `take()`. */
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
    const dropped = this.#mailbox.offer(frame);
    if (dropped > 0) {
      this.#window.dropped(dropped);
      this.#sinceMark.dropped(dropped);
    }
    this.#pump();
  }

  #pump(): void {
    while (this.#worker !== null && this.#inFlight.size < IN_FLIGHT) {
      const frame = this.#mailbox.take();
      if (frame === undefined) return;
      const answered = this.#answer(this.#worker, frame).then(() => {
        this.#inFlight.delete(answered);
        this.#pump();
      });
      this.#inFlight.add(answered);
    }
  }

  async #answer(worker: WorkerHandle, frame: Frame): Promise<void> {
    try {
      const result = await worker.infer(frame);
      this.#window.answered(result, frame.truth);
      this.#sinceMark.answered(result, frame.truth);
      this.#options.onResult?.(frame, result, worker.release);
    } catch (error) {
      this.#failed(frame.source, error instanceof Error ? error.message : String(error));
      // Its owner hears of it by `exited` and decides what comes next; until then frames wait and drop.
      if (error instanceof WorkerLostError && this.#worker === worker) this.#worker = null;
    }
  }

  #failed(source: string, words: string): void {
    this.#window.failed();
    this.#sinceMark.failed();
    this.#options.onFrameError?.(source, words);
  }
}
