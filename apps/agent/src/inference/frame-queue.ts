import type { AnsweredFrame, Frame } from './frame.ts';
import { Mailbox } from './mailbox.ts';

/** What came of a picture that somebody has asked about. */
export interface Answer {
  readonly result: AnsweredFrame;
  readonly release: string;
}

/** A picture that somebody waits for. */
export interface Request {
  readonly frame: Frame;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** The next for the worker. */
export interface Waiting {
  readonly frame: Frame;
  readonly request: Request | null;
}

/**
 * What waits for the worker. Frames of the capture are the newest few: the oldest makes room. Requests are not dropped;
 * when too many wait the next one is refused. While both wait they take turns, so that neither keeps the other away.
 */
export class FrameQueue {
  readonly #frames: Mailbox<Frame>;
  readonly #mostRequests: number;
  readonly #requests: Request[] = [];
  #lastWasRequest = false;

  constructor(mailboxSize: number, mostRequests: number) {
    this.#frames = new Mailbox(mailboxSize);
    this.#mostRequests = mostRequests;
  }

  /** Frames of the capture that wait. */
  get frames(): number {
    return this.#frames.size;
  }

  /** Requests that wait. */
  get requests(): number {
    return this.#requests.length;
  }

  /** @returns how many frames were dropped to make room */
  offer(frame: Frame): number {
    return this.#frames.offer(frame);
  }

  /** @returns false when too many wait */
  ask(request: Request): boolean {
    if (this.#requests.length >= this.#mostRequests) return false;
    this.#requests.push(request);
    return true;
  }

  /** Whoever asked does not wait any more; one that is with the worker already stays there. */
  withdraw(request: Request): void {
    const place = this.#requests.indexOf(request);
    if (place >= 0) this.#requests.splice(place, 1);
  }

  take(): Waiting | undefined {
    const isFrameTurn = this.#lastWasRequest && this.#frames.size > 0;
    const request = isFrameTurn ? undefined : this.#requests.shift();
    this.#lastWasRequest = request !== undefined;
    if (request !== undefined) return { frame: request.frame, request };
    const frame = this.#frames.take();
    return frame === undefined ? undefined : { frame, request: null };
  }
}
