import { type DownChannel, downTopic } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import type { DeviceBroker } from './device-broker.ts';

/** Catches what a lost notification missed. */
const POLL_MS = 1_000;
const BATCH = 500;

const TAKE = `
  delete from outbox where id in (select id from outbox order by id limit $1 for update skip locked)
  returning id::float8 as id, device_id as "deviceId", channel, payload`;

interface Letter {
  readonly id: number;
  readonly deviceId: string;
  readonly channel: DownChannel;
  readonly payload: unknown;
}

/**
 * Delivers what the other roles have put into the outbox. A device that is not connected misses nothing: it reads its
 * state again whenever it connects, which is why an undeliverable doorbell may be dropped.
 */
export class OutboxCourier {
  private timer: NodeJS.Timeout | undefined;
  private working = false;
  private again = false;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly broker: DeviceBroker,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.database.listen('outbox', () => void this.deliver());
    this.timer = setInterval(() => void this.deliver(), POLL_MS);
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
  }

  private async deliver(): Promise<void> {
    if (this.working || this.stopped) {
      this.again = true;
      return;
    }
    this.working = true;
    try {
      do {
        this.again = false;
        const letters = await this.database.query<Letter>(TAKE, [BATCH]);
        letters.sort((a, b) => a.id - b.id);
        for (const { deviceId, channel, payload } of letters) {
          this.broker.send(deviceId, downTopic(deviceId, channel), payload);
        }
        if (letters.length === BATCH) this.again = true;
      } while (this.again && !this.stopped);
    } catch (error) {
      this.log.warn({ error: String(error) }, 'the outbox could not be read; it will be tried again');
    } finally {
      this.working = false;
    }
  }
}
