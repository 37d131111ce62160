import type { TelemetryAck } from '@aviary/protocol';
import type { ReceivedBatch } from './telemetry-batch.ts';
import type { TelemetryWriter } from './telemetry-writer.ts';

const LARGEST_GROUP = 128;
/** Groups under way at once: one being committed while the next is prepared. */
const CONCURRENCY = 2;

interface Waiting {
  readonly batch: ReceivedBatch;
  readonly resolve: (ack: TelemetryAck | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers batches of many devices into one transaction each time the one before has ended: alone when it is quiet,
 * hundreds together under load. One batch per device and group, so that a device's order is kept.
 */
export class TelemetryQueue {
  private waiting: Waiting[] = [];
  private readonly inFlight = new Set<string>();
  private running = 0;
  private scheduled = false;

  constructor(private readonly writer: Pick<TelemetryWriter, 'write'>) {}

  /** Settles after the commit. Undefined: the device is not known to the database. */
  add(batch: ReceivedBatch): Promise<TelemetryAck | undefined> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ batch, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.running >= CONCURRENCY || this.waiting.length === 0) return;
    this.scheduled = true;
    // After the packets that have already arrived were read: they belong into the same group.
    setImmediate(() => {
      this.scheduled = false;
      void this.writeGroup();
    });
  }

  private async writeGroup(): Promise<void> {
    const group: Waiting[] = [];
    const later: Waiting[] = [];
    for (const entry of this.waiting) {
      const free = group.length < LARGEST_GROUP && !this.inFlight.has(entry.batch.deviceId);
      if (free) this.inFlight.add(entry.batch.deviceId);
      (free ? group : later).push(entry);
    }
    this.waiting = later;
    if (group.length === 0) return;
    this.running += 1;
    try {
      const acks = await this.writer.write(group.map((entry) => entry.batch));
      for (const entry of group) entry.resolve(acks.get(entry.batch.deviceId));
    } catch (error) {
      for (const entry of group) entry.reject(error);
    } finally {
      this.running -= 1;
      for (const entry of group) this.inFlight.delete(entry.batch.deviceId);
      this.schedule();
    }
  }
}
