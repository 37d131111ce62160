import { isProbeId, PROBE_EPOCHS, presenceSchema, type UpChannel } from '@aviary/protocol';
import type { Logger } from '../../infra/log.ts';
import type { CertificatesService, DeviceSession } from '../devices/certificates.service.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import type { ProbesService } from '../diagnosis/probes.service.ts';
import { readBatch, TelemetryMalformedError } from '../telemetry/telemetry-batch.ts';
import type { TelemetryQueue } from '../telemetry/telemetry-queue.ts';
import type { Broker, DeviceMessages } from './broker.ts';

/** MQTT in: what devices say becomes rows, and is acknowledged once it is. */
export class Gateway implements DeviceMessages {
  private broker: Pick<Broker, 'send'> | undefined;

  constructor(
    private readonly devices: Pick<DevicesService, 'recordPresence'>,
    private readonly probes: Pick<ProbesService, 'hasCertificate' | 'exists'>,
    private readonly certificates: Pick<CertificatesService, 'admits'>,
    private readonly telemetry: Pick<TelemetryQueue, 'add'>,
    private readonly log: Logger,
  ) {}

  /** Acknowledgements go out through `broker`. */
  attach(broker: Pick<Broker, 'send'>): void {
    this.broker = broker;
  }

  admit(session: DeviceSession): Promise<boolean> {
    const { deviceId, fingerprint } = session;
    return isProbeId(deviceId) ? this.probes.hasCertificate(deviceId, fingerprint) : this.certificates.admits(session);
  }

  async receive(deviceId: string, channel: UpChannel, payload: Buffer): Promise<void> {
    if (isProbeId(deviceId)) return this.answerProbe(deviceId, channel, payload);
    if (channel === 'presence') return this.receivePresence(deviceId, payload);
    const batch = this.read(deviceId, payload);
    if (batch === undefined) return;
    const ack = await this.telemetry.add(batch);
    if (ack !== undefined) this.acknowledge(deviceId, ack);
  }

  gone(deviceId: string): void {
    this.log.debug({ device: deviceId }, 'device disconnected');
  }

  /** Undefined when it means nothing: sending it again would not help, and an error would make its device do just that. */
  private read(deviceId: string, payload: Buffer): ReturnType<typeof readBatch> | undefined {
    try {
      return readBatch(deviceId, payload);
    } catch (error) {
      if (!(error instanceof TelemetryMalformedError)) throw error;
      this.log.warn({ device: deviceId, error: error.message }, 'a message without meaning was dropped');
      return undefined;
    }
  }

  private async receivePresence(deviceId: string, payload: Buffer): Promise<void> {
    const presence = presenceSchema.safeParse(jsonOf(payload));
    if (!presence.success) {
      this.log.warn({ device: deviceId }, 'a presence without meaning was dropped');
      return;
    }
    await this.devices.recordPresence(deviceId, presence.data);
  }

  private async answerProbe(deviceId: string, channel: UpChannel, payload: Buffer): Promise<void> {
    if (!(await this.probes.exists(deviceId))) return;
    const seq =
      channel === 'telemetry'
        ? this.read(deviceId, payload)?.seq
        : presenceSchema.safeParse(jsonOf(payload)).data?.session;
    if (seq !== undefined) this.acknowledge(deviceId, { epoch: PROBE_EPOCHS[channel], seq });
  }

  /** One that gets lost is no harm: the device sends again, and is told again. */
  private acknowledge(deviceId: string, ack: { epoch: number; seq: number }): void {
    this.broker?.send(deviceId, 'ack', ack).catch((error: unknown) => {
      this.log.debug({ device: deviceId, error: String(error) }, 'an acknowledgement did not go out');
    });
  }
}

const jsonOf = (payload: Buffer): unknown => {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
};
