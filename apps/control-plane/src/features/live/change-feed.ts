import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import type { Change, ChangeLog } from './change-log.ts';
import { changeMessages } from './change-messages.ts';
import { type ChangePosition, isAfter } from './change-position.ts';
import type { EventStream } from './event-stream.ts';

/** Changes come in bursts; one reading tells them all. */
const GATHER_MS = 100;
/** Catches what was not notified: changes of devices, and lost notifications. */
const POLL_MS = 1_000;
const PRUNE_MS = 60_000;

/** A stream, and how far it has been told. */
class Follower {
  constructor(
    private readonly stream: EventStream,
    public position: ChangePosition,
  ) {}

  /** Tells what it has not heard of `changes`, which reach up to `position`. @param whole all of them as messages */
  tell(
    changes: readonly Change[],
    position: ChangePosition,
    whole?: { after: ChangePosition; messages: string },
  ): void {
    if (whole !== undefined && !isAfter(this.position, whole.after)) this.stream.send(whole.messages);
    else this.stream.send(changeMessages(changes.filter((change) => isAfter(change.position, this.position))));
    if (isAfter(position, this.position)) this.position = position;
  }
}

/** Reads the log of changes once for all streams of this process. */
export class ChangeFeed {
  private readonly followers = new Set<Follower>();
  /** Everything up to here was told to every follower. */
  private position: ChangePosition = { transactionId: 0n, id: 0n };
  private poll: NodeJS.Timeout | undefined;
  private pruning: NodeJS.Timeout | undefined;
  private gathering: NodeJS.Timeout | undefined;
  private reading = false;
  private again = false;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly changes: ChangeLog,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.database.listen('changes', () => this.wake());
    this.poll = setInterval(() => this.wake(), POLL_MS);
    this.pruning = setInterval(() => void this.prune(), PRUNE_MS);
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.poll);
    clearInterval(this.pruning);
    clearTimeout(this.gathering);
  }

  /**
   * Tells a stream everything after `since`, first from the log and then as it comes, until it ends.
   * @throws when the log cannot be read; the stream was told nothing after its last id then
   */
  async follow(stream: EventStream, since: ChangePosition): Promise<void> {
    const follower = new Follower(stream, since);
    stream.onEnd(() => this.followers.delete(follower));
    for (;;) {
      const { changes, position, more } = await this.changes.after(follower.position);
      follower.tell(changes, position);
      if (stream.ended || this.stopped) return;
      if (more) continue;
      // Whoever is alone begins where the log was just read; nobody else needs what came before.
      if (this.followers.size === 0) this.position = follower.position;
      if (isAfter(this.position, follower.position)) continue;
      this.followers.add(follower);
      return;
    }
  }

  private wake(): void {
    if (this.followers.size === 0 || this.stopped) return;
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      void this.read();
    }, GATHER_MS);
  }

  private async read(): Promise<void> {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    try {
      do {
        this.again = false;
        const after = this.position;
        const { changes, position, more } = await this.changes.after(after);
        const whole = { after, messages: changeMessages(changes) };
        for (const follower of this.followers) follower.tell(changes, position, whole);
        this.position = position;
        if (more) this.again = true;
      } while (this.again && !this.stopped);
    } catch (error) {
      this.log.warn({ error: String(error) }, 'changes could not be read; it will be tried again');
    } finally {
      this.reading = false;
    }
  }

  private async prune(): Promise<void> {
    try {
      await this.changes.prune();
    } catch (error) {
      this.log.warn({ error: String(error) }, 'old changes could not be let go; it will be tried again');
    }
  }
}
