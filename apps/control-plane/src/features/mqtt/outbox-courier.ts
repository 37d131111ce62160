import type { DownChannel } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import type { Broker } from './broker.ts';

/** Catches what a lost notification missed. */
const POLL_MS = 1_000;
const BATCH = 500;

/** Other gateways go past what one of them has in its hands. */
const TAKE = `
  select id::float8 as id, device_id as "deviceId", channel, payload
  from outbox order by id limit $1 for update skip locked`;

const DELIVERED = 'delete from outbox where id = any ($1::bigint[])';

interface Letter {
  readonly id: number;
  readonly deviceId: string;
  readonly channel: DownChannel;
  readonly payload: unknown;
}

/**
 * Delivers what the other roles have put into the outbox; a letter is there until the broker has it. A device that is
 * not connected misses nothing: it reads its state again whenever it connects.
 */
export class OutboxCourier {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;
  private again = false;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly broker: Pick<Broker, 'send'>,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.database.listen('outbox', () => this.wake());
    this.timer = setInterval(() => this.wake(), POLL_MS);
  }

  /** Returns when what it has in its hands is delivered, or is not. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.working;
  }

  private wake(): void {
    this.again = true;
    if (this.stopped) return;
    this.working ??= this.deliver().finally(() => {
      this.working = undefined;
    });
  }

  private async deliver(): Promise<void> {
    try {
      while (this.again && !this.stopped) {
        this.again = false;
        const { taken, delivered } = await this.deliverBatch();
        if (taken === BATCH && delivered === taken) this.again = true;
      }
    } catch (error) {
      this.log.warn({ error: String(error) }, 'the outbox could not be read; it will be tried again');
    }
  }

  private deliverBatch(): Promise<{ taken: number; delivered: number }> {
    return this.database.transaction(async (sql) => {
      const letters = await sql.query<Letter>(TAKE, [BATCH]);
      if (letters.length === 0) return { taken: 0, delivered: 0 };
      // In their order: one connection carries them all.
      const results = await Promise.allSettled(
        letters.map(({ deviceId, channel, payload }) => this.broker.send(deviceId, channel, payload)),
      );
      const delivered = letters.filter((_, index) => results[index]?.status === 'fulfilled').map(({ id }) => id);
      const failure = results.find((result) => result.status === 'rejected');
      if (failure !== undefined) {
        const waiting = letters.length - delivered.length;
        this.log.warn({ waiting, error: String(failure.reason) }, 'letters stay in the outbox; they are tried again');
      }
      if (delivered.length > 0) await sql.query(DELIVERED, [delivered]);
      return { taken: letters.length, delivered: delivered.length };
    });
  }
}
