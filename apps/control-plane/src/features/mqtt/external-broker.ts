import { type DownChannel, downTopic, gatewayFilters, parseUpTopic } from '@aviary/protocol';
import type { Logger } from '../../infra/log.ts';
import type { Broker, CountingCertificates, DeviceMessages } from './broker.ts';
import type { BrokerConnection } from './broker-connection.ts';
import type { OpenConnection } from './broker-connections.ts';
import type { SessionControl } from './session-control.ts';

/** Each takes one batch at a time to the database; together they fill a transaction. */
const LANES = 16;

/**
 * A broker that is not ours, as its client. Telemetry is shared among all gateways, so that any number may run. Which
 * device has sent something is told by the topic: the broker lets nobody else publish there, as it has seen their
 * certificate.
 */
export class ExternalBroker implements Broker {
  private readonly outgoing: BrokerConnection;
  private readonly incoming: readonly BrokerConnection[];

  constructor(
    open: OpenConnection,
    private readonly control: SessionControl,
    private readonly messages: Pick<DeviceMessages, 'receive'>,
    private readonly log: Logger,
  ) {
    const receive = (topic: string, payload: Buffer) => this.receive(topic, payload);
    this.outgoing = open({ name: 'out', filters: [] });
    this.incoming = [
      open({ name: 'presence', filters: [gatewayFilters.presence], receive }),
      ...Array.from({ length: LANES }, (_, lane) =>
        open({ name: `in-${lane}`, filters: [gatewayFilters.telemetry], receive }),
      ),
    ];
  }

  async start(): Promise<void> {
    this.control.start();
    for (const connection of [this.outgoing, ...this.incoming]) connection.start();
  }

  async send(deviceId: string, channel: DownChannel, payload: unknown): Promise<void> {
    // An acknowledgement may get lost: its device sends again. For a letter of the outbox nobody would ask.
    const qos = channel === 'ack' ? 0 : 1;
    await this.outgoing.publish(downTopic(deviceId, channel), JSON.stringify(payload), qos);
  }

  async enforce(certificates: CountingCertificates): Promise<void> {
    const [revoked, barred] = await Promise.all([certificates.revoked(), this.control.barred()]);
    for (const deviceId of revoked) {
      if (barred.has(deviceId)) continue;
      await this.control.bar(deviceId);
      this.log.info({ device: deviceId }, 'it was revoked: the broker refuses it');
    }
    for (const deviceId of barred) {
      if (revoked.has(deviceId)) continue;
      await this.control.readmit(deviceId);
      this.log.info({ device: deviceId }, 'it has joined again: the broker lets it in');
    }
  }

  async stop(): Promise<void> {
    // Nothing new comes in while what came in is still answered.
    await Promise.all(this.incoming.map((connection) => connection.stop()));
    await Promise.all([this.outgoing.stop(), this.control.stop()]);
  }

  private async receive(topic: string, payload: Buffer): Promise<void> {
    const target = parseUpTopic(topic);
    if (target === undefined) {
      this.log.warn({ topic }, 'a message on a topic of no device was dropped');
      return;
    }
    await this.messages.receive(target.deviceId, target.channel, payload);
  }
}
