import { downTopic, presenceSchema, type UpChannel } from '@aviary/protocol';
import type { Logger } from '../../infra/log.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import { readBatch, TelemetryMalformedError } from '../telemetry/telemetry-batch.ts';
import type { TelemetryQueue } from '../telemetry/telemetry-queue.ts';
import type { DeviceBroker, DeviceMessages } from './device-broker.ts';

/** MQTT in: what devices say becomes rows, and is acknowledged once it is. */
export class Gateway implements DeviceMessages {
  private broker: Pick<DeviceBroker, 'send'> | undefined;

  constructor(
    private readonly devices: Pick<DevicesService, 'hasCertificate' | 'recordPresence'>,
    private readonly telemetry: Pick<TelemetryQueue, 'add'>,
    private readonly log: Logger,
  ) {}

  /** Acknowledgements go out through `broker`. */
  attach(broker: Pick<DeviceBroker, 'send'>): void {
    this.broker = broker;
  }

  admit(deviceId: string, fingerprint: string): Promise<boolean> {
    return this.devices.hasCertificate(deviceId, fingerprint);
  }

  async receive(deviceId: string, channel: UpChannel, payload: Buffer): Promise<void> {
    if (channel === 'presence') return this.receivePresence(deviceId, payload);
    let batch: ReturnType<typeof readBatch>;
    try {
      batch = readBatch(deviceId, payload);
    } catch (error) {
      if (!(error instanceof TelemetryMalformedError)) throw error;
      // Sending it again would not help, and ending the connection would make the device do just that, for ever.
      this.log.warn({ device: deviceId, error: error.message }, 'a message without meaning was dropped');
      return;
    }
    const ack = await this.telemetry.add(batch);
    if (ack !== undefined) this.broker?.send(deviceId, downTopic(deviceId, 'ack'), ack);
  }

  gone(deviceId: string): void {
    this.log.debug({ device: deviceId }, 'device disconnected');
  }

  private async receivePresence(deviceId: string, payload: Buffer): Promise<void> {
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8'));
    } catch {
      value = undefined;
    }
    const presence = presenceSchema.safeParse(value);
    if (!presence.success) {
      this.log.warn({ device: deviceId }, 'a presence without meaning was dropped');
      return;
    }
    await this.devices.recordPresence(deviceId, presence.data);
  }
}
