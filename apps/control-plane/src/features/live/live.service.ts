import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { ProblemError } from '../../infra/problem.ts';
import { ChangeFeed } from './change-feed.ts';
import { ChangeLog } from './change-log.ts';
import { eventMessage } from './change-messages.ts';
import { type ChangePosition, formatPosition, parsePosition } from './change-position.ts';
import { DeviceFiguresFeed } from './device-figures.ts';
import { EventStream } from './event-stream.ts';

/** Often enough that no proxy takes a quiet stream for a dead one. */
const ALIVE_MS = 15_000;
const PROOF_MS = 30_000;
const MOST_STREAMS = 2_000;

/** What a page asks for when it opens a stream. */
export interface StreamRequest {
  /** Also this device's live figures. */
  readonly deviceId?: string | undefined;
  /** As the header has it. */
  readonly lastEventId?: string | undefined;
  /** Whether what let the caller in still holds; asked from time to time. */
  readonly stillAllowed: () => Promise<boolean>;
}

/** Event streams of this process: what changes, told to pages as it happens. */
export class LiveService {
  private readonly changes: ChangeLog;
  private readonly feed: ChangeFeed;
  private readonly figures: DeviceFiguresFeed;
  private readonly streams = new Map<EventStream, StreamRequest>();
  private alive: NodeJS.Timeout | undefined;
  private proof: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    database: Database,
    private readonly log: Logger,
  ) {
    this.changes = new ChangeLog(database);
    this.feed = new ChangeFeed(database, this.changes, log);
    this.figures = new DeviceFiguresFeed(database, log);
  }

  start(): void {
    this.feed.start();
    this.figures.start();
    this.alive = setInterval(() => {
      for (const stream of this.streams.keys()) stream.send(': alive\n\n');
    }, ALIVE_MS);
    this.proof = setInterval(() => void this.checkProofs(), PROOF_MS);
  }

  /** Ends every stream; their readers come back to whoever answers then. */
  stop(): void {
    this.stopped = true;
    clearInterval(this.alive);
    clearInterval(this.proof);
    this.feed.stop();
    this.figures.stop();
    for (const stream of this.streams.keys()) stream.end();
  }

  /**
   * Opens a stream: `hello` with the place where the reader stands, `reset` when what it asks for is not kept any
   * more, and from then on what changes.
   * @throws ProblemError `streams-exhausted`
   */
  async open(request: StreamRequest): Promise<EventStream> {
    if (this.stopped || this.streams.size >= MOST_STREAMS) {
      const why = this.stopped ? 'is stopping' : `has ${MOST_STREAMS} event streams open already`;
      throw new ProblemError(503, 'streams-exhausted', `This control plane ${why}. Try again in a while.`);
    }
    const { since, reset } = await this.whereFrom(request.lastEventId);
    const stream = new EventStream();
    this.streams.set(stream, request);
    stream.onEnd(() => this.streams.delete(stream));
    stream.send(`retry: 1000\n${eventMessage('hello', {}, formatPosition(since))}`);
    if (reset) stream.send(eventMessage('reset', {}));
    if (request.deviceId !== undefined) this.figures.follow(stream, request.deviceId);
    this.feed.follow(stream, since).catch((error: unknown) => {
      this.log.warn({ error: String(error) }, 'changes could not be read; the stream ends, and its reader comes back');
      stream.end();
    });
    return stream;
  }

  private async whereFrom(lastEventId: string | undefined): Promise<{ since: ChangePosition; reset: boolean }> {
    if (lastEventId === undefined || lastEventId === '') return { since: await this.changes.end(), reset: false };
    const asked = parsePosition(lastEventId);
    if (asked !== undefined && (await this.changes.reachesBackTo(asked))) return { since: asked, reset: false };
    return { since: await this.changes.end(), reset: true };
  }

  /** Ends the streams of those who may not read any more. */
  async checkProofs(): Promise<void> {
    for (const [stream, { stillAllowed }] of this.streams) {
      // A database that does not answer is no reason to send people away.
      if (!(await stillAllowed().catch(() => true))) stream.end();
    }
  }
}
