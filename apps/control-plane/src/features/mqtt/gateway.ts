import { isProbeId, PROBE_EPOCHS, presenceSchema, type UpChannel } from '@aviary/protocol';
import type { Logger } from '../../infra/log.ts';
import type { CertificatesService, DeviceSession } from '../devices/certificates.service.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import type { ProbesService } from '../diagnosis/probes.service.ts';
import { readBatch, TelemetryMalformedError } from '../telemetry/telemetry-batch.ts';
import { type TelemetryQueue, TelemetryStalledError } from '../telemetry/telemetry-queue.ts';
import type { Broker, DeviceMessages } from './broker.ts';

/** Where thousands of devices wait for a database, one line tells of them. */
const TELL_STALLS_MS = 10_000;

/** MQTT in: what devices say becomes rows, and is acknowledged once it is. */
export class Gateway implements DeviceMessages {
  private broker: Pick<Broker, 'send'> | undefined;
  /** Batches that came in vain since that was told. */
  private stalled = 0;
  private stallsToldAt = Number.NEGATIVE_INFINITY;

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
    try {
      const ack = await this.telemetry.add(batch);
      if (ack !== undefined) this.acknowledge(deviceId, ack);
    } catch (error) {
      if (!(error instanceof TelemetryStalledError)) throw error;
      this.leaveUnanswered(error);
    }
  }

  gone(deviceId: string): void {
    this.log.debug({ device: deviceId }, 'device disconnected');
  }

  /**
   * The device sends the batch again when no answer came. To end its connection would not make the database faster: each
   * device would come again with a handshake and all that it asks after one, and keep the machine from answering others.
   */
  private leaveUnanswered(stall: TelemetryStalledError): void {
    this.stalled += 1;
    if (performance.now() - this.stallsToldAt < TELL_STALLS_MS) return;
    this.log.warn(
      { batches: this.stalled, error: stall.message },
      'telemetry was not taken; its devices send it again',
    );
    this.stalled = 0;
    this.stallsToldAt = performance.now();
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
