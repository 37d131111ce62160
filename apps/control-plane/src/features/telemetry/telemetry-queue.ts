import type { TelemetryAck } from '@aviary/protocol';
import type { ReceivedBatch } from './telemetry-batch.ts';
import type { TelemetryWriter } from './telemetry-writer.ts';

const LARGEST_GROUP = 128;
/** Groups under way at once: one being committed while the next is prepared. */
const CONCURRENCY = 2;
/** Answered before a device's keep-alive ends, since its later packets wait behind this one. */
const PATIENCE_MS = 8_000;

/** A batch was not stored in time; its device will send it again. */
export class TelemetryStalledError extends Error {
  readonly code = 'telemetry-stalled';
}

interface Waiting {
  readonly batch: ReceivedBatch;
  readonly resolve: (ack: TelemetryAck | undefined) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Gathers batches of many devices into one transaction each time the one before has ended: alone when it is quiet,
 * hundreds together under load. One batch per device and group, so that a device's order is kept.
 */
export class TelemetryQueue {
  /** In the order in which they came. */
  private readonly waiting = new Set<Waiting>();
  private readonly inFlight = new Set<string>();
  private running = 0;
  private scheduled = false;

  constructor(
    private readonly writer: Pick<TelemetryWriter, 'write'>,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /**
   * Settles after the commit. Undefined: the device is not known to the database.
   * @throws TelemetryStalledError when the database takes too long; what still waits is forgotten then
   */
  add(batch: ReceivedBatch): Promise<TelemetryAck | undefined> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(entry);
        reject(new TelemetryStalledError(`the database did not answer in time (${this.patienceMs} ms)`));
      }, this.patienceMs);
      const entry: Waiting = { batch, resolve, reject, timer };
      this.waiting.add(entry);
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || this.running >= CONCURRENCY || this.waiting.size === 0) return;
    this.scheduled = true;
    // After the packets that have already arrived were read: they belong into the same group.
    setImmediate(() => {
      this.scheduled = false;
      void this.writeGroup();
    });
  }

  private takeGroup(): Waiting[] {
    const group: Waiting[] = [];
    for (const entry of this.waiting) {
      if (group.length === LARGEST_GROUP) break;
      if (this.inFlight.has(entry.batch.deviceId)) continue;
      this.inFlight.add(entry.batch.deviceId);
      this.waiting.delete(entry);
      group.push(entry);
    }
    return group;
  }

  private async writeGroup(): Promise<void> {
    const group = this.takeGroup();
    if (group.length === 0) return;
    this.running += 1;
    try {
      const acks = await this.writer.write(group.map((entry) => entry.batch));
      for (const entry of group) entry.resolve(acks.get(entry.batch.deviceId));
    } catch (error) {
      for (const entry of group) entry.reject(error);
    } finally {
      this.running -= 1;
      for (const entry of group) {
        clearTimeout(entry.timer);
        this.inFlight.delete(entry.batch.deviceId);
      }
      this.schedule();
    }
  }
}
