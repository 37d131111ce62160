import {
  deviceTopics,
  doorbellSchema,
  type Presence,
  type TelemetryAck,
  type TelemetryBatch,
  telemetryAckSchema,
} from '@aviary/protocol';
import { connect, type MqttClient } from 'mqtt';
import type { Logger } from 'pino';
import type { Identity } from '../identity/identity.ts';
import { AGENT_VERSION } from '../version.ts';
import { Backoff } from './backoff.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const KEEPALIVE_S = 20;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

export interface LinkListener {
  /** Connected: the device may have missed anything before. */
  onConnected(): void;
  /** Somebody rang: look what is assigned. */
  onDoorbell(): void;
  onAck(ack: TelemetryAck): void;
}

/**
 * The connection to the gateway. It is a doorbell and a meter: nothing that comes in here decides anything. Each try
 * is a new client, with the credentials of that moment; waiting between them is ours, jittered and growing.
 */
export class MqttLink {
  private client: MqttClient | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private connected = false;
  private readonly backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);

  constructor(
    private readonly identity: Identity,
    private readonly nextSession: () => Promise<number>,
    private readonly listener: LinkListener,
    private readonly log: Logger,
  ) {}

  start(): void {
    void this.connect();
  }

  get isConnected(): boolean {
    return this.connected;
  }

  /** Sends a batch; whether it is stored is told by its acknowledgement alone. */
  send(batch: TelemetryBatch): void {
    if (!this.connected) return;
    const { telemetry } = deviceTopics(this.identity.deviceId);
    this.client?.publish(telemetry, JSON.stringify(batch), { qos: 1 }, () => undefined);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    const { client } = this;
    if (client === undefined) return;
    if (this.connected) {
      await Promise.race([this.announce(client, false), new Promise((resolve) => setTimeout(resolve, 1_000))]);
    }
    await client.endAsync(true);
  }

  private async connect(): Promise<void> {
    const { identity } = this;
    const topics = deviceTopics(identity.deviceId);
    this.session = await this.nextSession();
    if (this.stopped) return;
    const client = connect(identity.mqttUrl, {
      protocolVersion: 4,
      clientId: identity.deviceId,
      username: identity.deviceId,
      clean: true,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      queueQoSZero: false,
      resubscribe: false,
      key: identity.key,
      cert: identity.certificate,
      ca: identity.fleetCa,
      will: {
        topic: topics.presence,
        payload: Buffer.from(JSON.stringify(this.presence(false))),
        qos: 1,
        retain: false,
      },
    });
    this.client = client;
    // A refusal before CONNACK is told by nothing but the closed connection, and sometimes not even by that.
    const limit = setTimeout(() => client.end(true), CONNECT_TIMEOUT_MS + 1_000);
    client.on('error', (error) => this.log.debug({ error: error.message }, 'MQTT'));
    client.on('message', (topic, payload) => this.receive(topic, payload));
    client.once('connect', () => {
      clearTimeout(limit);
      client.subscribe(topics.down, { qos: 0 }, (error) => {
        if (error !== null && error !== undefined) {
          client.end(true);
          return;
        }
        this.connected = true;
        this.backoff.reset();
        this.log.info('connected to the gateway');
        void this.announce(client, true);
        this.listener.onConnected();
      });
    });
    client.once('close', () => {
      clearTimeout(limit);
      if (this.connected) this.log.info('the connection to the gateway has ended');
      this.connected = false;
      client.end(true);
      if (!this.stopped) this.timer = setTimeout(() => void this.connect(), this.backoff.next());
    });
  }

  private session = 0;

  private presence(online: boolean): Presence {
    return { online, session: this.session, agentVersion: AGENT_VERSION };
  }

  private announce(client: MqttClient, online: boolean): Promise<unknown> {
    const { presence } = deviceTopics(this.identity.deviceId);
    return client.publishAsync(presence, JSON.stringify(this.presence(online)), { qos: 1 }).catch(() => undefined);
  }

  private receive(topic: string, payload: Buffer): void {
    const topics = deviceTopics(this.identity.deviceId);
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8'));
    } catch {
      return;
    }
    if (topic === topics.ack) {
      const ack = telemetryAckSchema.safeParse(value);
      if (ack.success) this.listener.onAck(ack.data);
    } else if (topic === topics.doorbell && doorbellSchema.safeParse(value).success) {
      this.listener.onDoorbell();
    }
  }
}
