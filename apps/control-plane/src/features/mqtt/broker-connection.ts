import type { ConnectionOptions } from 'node:tls';
import { Backoff, MAX_PACKET_BYTES } from '@aviary/protocol';
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import type { FleetCa, TlsIdentity } from '../fleet-ca/fleet-ca.ts';
import { BrokerUnavailableError } from './broker.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const KEEPALIVE_S = 20;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
/** An acknowledgement that has not come by now is not waited for. */
const SEND_TIMEOUT_MS = 10_000;
/** Below what brokers let one client have under way (MQTT 5, 3.2.2.3.3; Mosquitto says 20). */
const UNDER_WAY = 16;
/** MQTT 5 adds its properties to what a device has sent with MQTT 3.1.1. */
const PROPERTY_BYTES = 64;

/** Handed on to `tls.connect`, which the types of the client do not say. */
const TLS: Pick<ConnectionOptions, 'minVersion'> = { minVersion: 'TLSv1.3' };

/** What one connection to an external broker is for. */
export interface ConnectionPurpose {
  readonly name: string;
  /** What to listen to, with QoS 1. */
  readonly filters: readonly string[];
  /** The broker hears PUBACK once this has resolved; when it rejects, the connection ends and is made again. */
  readonly receive?: (topic: string, payload: Buffer) => Promise<void>;
}

/** Where an external broker is, and by whom it and the gateways are certified. */
export interface BrokerPlace {
  readonly url: string;
  readonly fleetCa: Pick<FleetCa, 'pem'>;
  readonly gatewayCa: Pick<FleetCa, 'issueGateway'>;
}

/** How it goes with a connection, for whoever tells it. */
export interface ConnectionNews {
  ready(): void;
  ended(): void;
  trouble(words: string): void;
}

/**
 * One connection to an external broker, MQTT 5, made again whenever it ends. Messages come in one at a time: the next is
 * read when the last is acknowledged. Each try is a new client, waiting between them is ours, jittered and growing.
 */
export class BrokerConnection {
  private readonly backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  private readonly turns: (() => void)[] = [];
  private underWay = 0;
  private client: MqttClient | undefined;
  private ready = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly place: BrokerPlace,
    /** Of its own among all connections to that broker. */
    private readonly clientId: string,
    private readonly purpose: ConnectionPurpose,
    private readonly news: ConnectionNews,
  ) {}

  start(): void {
    void this.connect();
  }

  /** Resolves with the broker's acknowledgement (QoS 1), or when it is written (QoS 0). @throws BrokerUnavailableError */
  async publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    await this.turn();
    try {
      const client = this.client;
      if (!this.ready || client === undefined) throw new BrokerUnavailableError('there is no connection to the broker');
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new BrokerUnavailableError(`the broker did not acknowledge within ${SEND_TIMEOUT_MS} ms`));
        }, SEND_TIMEOUT_MS);
        client.publish(topic, payload, { qos }, (error) => {
          clearTimeout(timer);
          if (error === undefined || error === null) resolve();
          else reject(new BrokerUnavailableError(`the broker did not take ${topic}: ${error.message}`));
        });
      });
    } finally {
      this.underWay -= 1;
      this.turns.shift()?.();
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.ready = false;
    clearTimeout(this.timer);
    const client = this.client;
    // What it has in its hands is not acknowledged: the broker gives it to another, or its device sends it again.
    if (client !== undefined) await new Promise<void>((resolve) => client.end(true, {}, () => resolve()));
  }

  private async turn(): Promise<void> {
    if (this.underWay >= UNDER_WAY) await new Promise<void>((resolve) => this.turns.push(resolve));
    this.underWay += 1;
  }

  private async connect(): Promise<void> {
    let client: MqttClient;
    try {
      // A new one for each try, so that none grows old.
      const identity = await this.place.gatewayCa.issueGateway();
      if (this.stopped) return;
      client = connect(this.place.url, this.options(identity));
    } catch (error) {
      this.news.trouble(`it cannot be connected to: ${String(error)}`);
      return this.later();
    }
    this.client = client;
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      clearTimeout(limit);
      client.end(true);
      if (this.ready) this.news.ended();
      this.ready = false;
      this.later();
    };
    // A refusal before CONNACK is told by the closed connection alone, and sometimes not even by that.
    const limit = setTimeout(() => {
      this.news.trouble(`it did not answer within ${CONNECT_TIMEOUT_MS} ms`);
      end();
    }, CONNECT_TIMEOUT_MS + 1_000);
    client.on('error', (error) => this.news.trouble(error.message));
    client.once('close', end);
    client.handleMessage = (packet: IPublishPacket, done: (error?: Error) => void) => {
      this.receive(packet).then(
        () => done(),
        (error: unknown) => {
          this.news.trouble(`a message on ${packet.topic} was not taken, and will come again: ${String(error)}`);
          end();
        },
      );
    };
    client.once('connect', () => {
      this.subscribe(client).then(
        () => {
          if (over) return;
          clearTimeout(limit);
          this.ready = true;
          this.backoff.reset();
          this.news.ready();
        },
        (error: unknown) => {
          this.news.trouble(`it refuses what a gateway listens to: ${String(error)}`);
          end();
        },
      );
    });
  }

  private async receive({ topic, payload }: IPublishPacket): Promise<void> {
    await this.purpose.receive?.(topic, Buffer.from(payload));
  }

  /** @throws when the broker refuses one of the filters */
  private async subscribe(client: MqttClient): Promise<void> {
    if (this.purpose.filters.length > 0) await client.subscribeAsync([...this.purpose.filters], { qos: 1 });
  }

  private later(): void {
    if (!this.stopped) this.timer = setTimeout(() => void this.connect(), this.backoff.next());
  }

  private options(identity: TlsIdentity): IClientOptions {
    return {
      protocolVersion: 5,
      clientId: this.clientId,
      // A session that outlives its gateway would go on collecting its share of the messages.
      clean: true,
      properties: { sessionExpiryInterval: 0, maximumPacketSize: MAX_PACKET_BYTES + PROPERTY_BYTES },
      keepalive: KEEPALIVE_S,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      queueQoSZero: false,
      resubscribe: false,
      key: identity.key,
      cert: identity.cert,
      ca: this.place.fleetCa.pem,
      ...TLS,
    };
  }
}
