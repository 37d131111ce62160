import type { Task } from '@aviary/release';
import { agreementOf } from './agreement.ts';
import { FrameError } from './errors.ts';
import type { Frame, FrameAnswer } from './frame.ts';
import { Mailbox } from './mailbox.ts';
import type { WorkerHandle } from './worker-handle.ts';

/** Frames that wait for the candidate; the oldest makes room. */
const WAITING = 2;

/** Hears of each frame that the serving release has answered, once it has. */
export interface FrameWitness {
  seen(frame: Frame, answer: FrameAnswer): void;
}

export interface ShadowRunOptions {
  readonly task: Task;
  /** Of raw numbers. */
  readonly tolerance: number;
  /** It sees every so-many-th frame. */
  readonly every: number;
  /** It has seen enough when so many were compared. */
  readonly frames: number;
}

/** What was compared. */
export interface ShadowTally {
  readonly frames: number;
  /** Sum of the agreements, each 0 to 1. */
  readonly agreed: number;
  /** Of the frames, those that the candidate could not answer; they agree on nothing. */
  readonly failed: number;
  /** Let go because the candidate was busy. */
  readonly dropped: number;
}

interface Seen {
  readonly frame: Frame;
  readonly answer: FrameAnswer;
}

/**
 * Lets a candidate answer the frames that the serving release has answered, one at a time, and compares. Its answers go
 * nowhere else. Whatever it does, what serves never waits for it: it gets a frame after that has answered, and where it is
 * too slow it lets frames go, which are counted.
 */
export class ShadowRun implements FrameWitness {
  readonly #candidate: Pick<WorkerHandle, 'infer'>;
  readonly #options: ShadowRunOptions;
  readonly #waiting = new Mailbox<Seen>(WAITING);
  readonly #over = Promise.withResolvers<void>();
  #frame = 0;
  #isBusy = false;
  #isOver = false;
  #tally: ShadowTally = { frames: 0, agreed: 0, failed: 0, dropped: 0 };

  constructor(candidate: Pick<WorkerHandle, 'infer'>, options: ShadowRunOptions) {
    this.#candidate = candidate;
    this.#options = options;
    // Whoever waits for it hears of it, also when nobody does yet.
    this.#over.promise.catch(() => undefined);
  }

  /** Rejects with WorkerLostError, or whatever else ends the candidate; resolves when it has seen enough. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  get tally(): ShadowTally {
    return this.#tally;
  }

  seen(frame: Frame, answer: FrameAnswer): void {
    if (this.#isOver) return;
    this.#frame += 1;
    if ((this.#frame - 1) % this.#options.every !== 0) return;
    this.#add({ dropped: this.#waiting.offer({ frame, answer }) });
    this.#pump();
  }

  /** Nothing is compared any more; what the candidate is at is let go. */
  end(): void {
    this.#isOver = true;
    this.#over.resolve();
  }

  #pump(): void {
    if (this.#isBusy || this.#isOver) return;
    const next = this.#waiting.take();
    if (next === undefined) return;
    this.#isBusy = true;
    void this.#compare(next).finally(() => {
      this.#isBusy = false;
      this.#pump();
    });
  }

  async #compare({ frame, answer }: Seen): Promise<void> {
    try {
      const own = await this.#candidate.infer(frame);
      const { task, tolerance } = this.#options;
      if (!this.#isOver) this.#add({ frames: 1, agreed: agreementOf(task, answer, own, tolerance) });
    } catch (error) {
      if (this.#isOver) return;
      if (!(error instanceof FrameError)) {
        this.#isOver = true;
        this.#over.reject(error);
        return;
      }
      this.#add({ frames: 1, failed: 1 });
    }
    if (this.#tally.frames >= this.#options.frames) this.end();
  }

  #add(counts: Partial<ShadowTally>): void {
    const { frames, agreed, failed, dropped } = this.#tally;
    this.#tally = {
      frames: frames + (counts.frames ?? 0),
      agreed: agreed + (counts.agreed ?? 0),
      failed: failed + (counts.failed ?? 0),
      dropped: dropped + (counts.dropped ?? 0),
    };
  }
}
