import { setTimeout as pause } from 'node:timers/promises';
import {
  Backoff,
  type Doorbell,
  deviceTopics,
  doorbellSchema,
  type Presence,
  type TelemetryAck,
  type TelemetryBatch,
  telemetryAckSchema,
} from '@aviary/protocol';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Logger } from 'pino';
import type { Identity } from '../identity/identity.ts';
import { AGENT_VERSION } from '../version.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const KEEPALIVE_S = 20;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const FAREWELL_MS = 1_000;

export interface LinkListener {
  /** Connected: the device may have missed anything before. */
  onConnected(): void;
  /** Somebody rang: look what is assigned, or what a federated round asks. */
  onDoorbell(reason: Doorbell['reason']): void;
  onAck(ack: TelemetryAck): void;
}

/**
 * The connection to the gateway. It is a doorbell and a meter: nothing that comes in here decides anything. Each try
 * is a new client, with the credentials of that moment; waiting between them is ours, jittered and growing.
 */
export class MqttLink {
  readonly #identity: Identity;
  readonly #nextSession: () => Promise<number>;
  readonly #listener: LinkListener;
  readonly #log: Logger;
  readonly #topics: ReturnType<typeof deviceTopics>;
  readonly #backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  #client: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #limit: NodeJS.Timeout | undefined;
  #stopped = false;
  #connected = false;
  #session = 0;

  /** @param nextSession a higher number at each call, also over restarts; must not reject */
  constructor(identity: Identity, nextSession: () => Promise<number>, listener: LinkListener, log: Logger) {
    this.#identity = identity;
    this.#nextSession = nextSession;
    this.#listener = listener;
    this.#log = log;
    this.#topics = deviceTopics(identity.deviceId);
  }

  start(): void {
    void this.#connect();
  }

  /** Sends a batch; whether it is stored is told by its acknowledgement alone. @returns whether there is a connection */
  send(batch: TelemetryBatch): boolean {
    if (!this.#connected) return false;
    this.#client?.publish(this.#topics.telemetry, JSON.stringify(batch), { qos: 1 }, () => undefined);
    return true;
  }

  /** Says good-bye where somebody hears it, and ends the connection. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#limit);
    const client = this.#client;
    if (client === undefined) return;
    if (this.#connected) {
      const farewell = new AbortController();
      const patience = pause(FAREWELL_MS, undefined, { signal: farewell.signal }).catch(() => undefined);
      await Promise.race([this.#announce(client, false), patience]);
      farewell.abort();
    }
    client.end(true);
  }

  async #connect(): Promise<void> {
    this.#session = await this.#nextSession();
    if (this.#stopped) return;
    let client: MqttClient;
    try {
      client = connect(this.#identity.mqttUrl, this.#options());
    } catch (error) {
      // A key or an address that cannot be used: the device goes on serving, and says so in its log.
      const words = error instanceof Error ? error.message : String(error);
      this.#log.warn({ url: this.#identity.mqttUrl, error: words }, 'the gateway cannot be connected to');
      this.#later();
      return;
    }
    this.#client = client;
    let over = false;
    const ended = (): void => {
      if (over) return;
      over = true;
      clearTimeout(this.#limit);
      client.end(true);
      if (this.#connected) this.#log.info('the connection to the gateway has ended');
      this.#connected = false;
      if (!this.#stopped) this.#later();
    };
    // A refusal before CONNACK is told by nothing but the closed connection, and sometimes not even by that.
    this.#limit = setTimeout(() => {
      this.#log.info({ url: this.#identity.mqttUrl }, 'the gateway did not answer in time');
      ended();
    }, CONNECT_TIMEOUT_MS + 1_000);
    client.on('error', (error) => this.#log.info({ url: this.#identity.mqttUrl, error: error.message }, 'MQTT'));
    client.once('close', ended);
    client.on('message', (topic, payload) => this.#receive(topic, payload));
    client.once('connect', () => {
      client.subscribe(this.#topics.down, { qos: 0 }, (error) => {
        if (over) return;
        if (error !== null && error !== undefined) return ended();
        clearTimeout(this.#limit);
        this.#connected = true;
        this.#backoff.reset();
        this.#log.info({ url: this.#identity.mqttUrl }, 'connected to the gateway');
        void this.#announce(client, true);
        this.#listener.onConnected();
      });
    });
  }

  #later(): void {
    this.#timer = setTimeout(() => void this.#connect(), this.#backoff.next());
  }

  #options(): IClientOptions {
    const { deviceId, key, certificate, fleetCa } = this.#identity;
    return {
      protocolVersion: 4,
      clientId: deviceId,
      username: deviceId,
      clean: true,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      queueQoSZero: false,
      resubscribe: false,
      key,
      cert: certificate,
      ca: fleetCa,
      will: { topic: this.#topics.presence, payload: Buffer.from(this.#presence(false)), qos: 1, retain: true },
    };
  }

  #presence(online: boolean): string {
    const presence: Presence = { online, session: this.#session, agentVersion: AGENT_VERSION };
    return JSON.stringify(presence);
  }

  /** Retained: a gateway that comes later learns it too. */
  #announce(client: MqttClient, online: boolean): Promise<unknown> {
    return client
      .publishAsync(this.#topics.presence, this.#presence(online), { qos: 1, retain: true })
      .catch(() => undefined);
  }

  #receive(topic: string, payload: Buffer): void {
    let value: unknown;
    try {
      value = JSON.parse(payload.toString('utf8'));
    } catch {
      return;
    }
    if (topic === this.#topics.ack) {
      const ack = telemetryAckSchema.safeParse(value);
      if (ack.success) this.#listener.onAck(ack.data);
    } else if (topic === this.#topics.doorbell) {
      const doorbell = doorbellSchema.safeParse(value);
      if (doorbell.success) this.#listener.onDoorbell(doorbell.data.reason);
    }
  }
}
