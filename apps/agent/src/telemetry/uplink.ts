import type { TelemetryAck, TelemetryRecord } from '@aviary/protocol';
import type { MqttLink } from '../link/mqtt-link.ts';
import type { Spool } from './spool.ts';

/** Sent again when no acknowledgement came: a gateway may have died with the message in its hands. */
const RESEND_MS = 10_000;

/** Empties the spool over the link: one batch in flight, the next only after its acknowledgement. */
export class Uplink {
  private timer: NodeJS.Timeout | undefined;
  private link: Pick<MqttLink, 'isConnected' | 'send'> | undefined;
  private sent: number | undefined;

  constructor(private readonly spool: Spool) {}

  /** From now on batches go over `link`. */
  attach(link: Pick<MqttLink, 'isConnected' | 'send'>): void {
    this.link = link;
  }

  /** Keeps records, and sends them when it is their turn. */
  async report(records: readonly TelemetryRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.spool.append(records);
    await this.pump();
  }

  /** A connection was made: whatever was in flight over the last one is sent again. */
  connected(): void {
    this.sent = undefined;
    void this.pump();
  }

  async acknowledged(ack: TelemetryAck): Promise<void> {
    if (!(await this.spool.acknowledge(ack))) return;
    this.sent = undefined;
    await this.pump();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.link = undefined;
  }

  private async pump(): Promise<void> {
    if (this.link?.isConnected !== true) return;
    const batch = await this.spool.head();
    if (batch === undefined || this.sent === batch.seq) return;
    this.sent = batch.seq;
    this.link?.send(batch);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connected(), RESEND_MS);
  }
}
