import { setTimeout as pause } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
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
import { type IClientOptions, MqttClient } from 'mqtt';
import type { Logger } from 'pino';
import type { Identity } from '../identity/identity.ts';
import { AGENT_VERSION } from '../version.ts';
import { type LinkCredentials, openTls } from './server-trust.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const DEFAULT_PORT = 8883;
const KEEPALIVE_S = 20;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const FAREWELL_MS = 1_000;
/**
 * A device without a release measures nothing, and would be taken for one that is gone: after so long without a word it
 * says that it is there. Between two words lie twice as many at most, well under the 90 s of the control plane.
 */
const QUIET_MS = 30_000;

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
  readonly #floor: () => number;
  readonly #topics: ReturnType<typeof deviceTopics>;
  readonly #backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.random);
  #credentials: LinkCredentials;
  #client: MqttClient | undefined;
  #opening: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #limit: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  /** When it said something last, by `performance.now()`. */
  #spokeAt = 0;
  #stopped = false;
  #connected = false;
  #connecting = false;
  /** Ends the connection that there is. */
  #drop: (() => void) | undefined;
  /** The next try does not wait. */
  #atOnce = false;
  #session = 0;

  /**
   * @param nextSession a higher number at each call, also over restarts; must not reject
   * @param floor a time that is known to have passed, ms since 1970
   */
  constructor(
    identity: Identity,
    nextSession: () => Promise<number>,
    listener: LinkListener,
    log: Logger,
    floor: () => number = () => 0,
  ) {
    this.#identity = identity;
    this.#credentials = identity;
    this.#floor = floor;
    this.#nextSession = nextSession;
    this.#listener = listener;
    this.#log = log;
    this.#topics = deviceTopics(identity.deviceId);
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  start(): void {
    void this.#connect();
  }

  /** Shows itself with these from now on: a connection that stands is made anew, at once. */
  use(credentials: LinkCredentials): void {
    this.#credentials = credentials;
    if (this.#stopped) return;
    this.#atOnce = true;
    // What is not opened yet takes them by itself; the end of what stands, or is being opened, makes the next.
    if (this.#opening !== undefined) this.#opening.abort();
    else if (this.#drop !== undefined) this.#drop();
    else if (!this.#connecting) this.#later();
  }

  /** Sends a batch; whether it is stored is told by its acknowledgement alone. @returns whether there is a connection */
  send(batch: TelemetryBatch): boolean {
    if (!this.#connected) return false;
    this.#spokeAt = performance.now();
    this.#client?.publish(this.#topics.telemetry, JSON.stringify(batch), { qos: 1 }, () => undefined);
    return true;
  }

  /** Says good-bye where somebody hears it, and ends the connection. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#limit);
    clearInterval(this.#pulse);
    this.#opening?.abort();
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
    this.#connecting = true;
    this.#session = await this.#nextSession();
    if (this.#stopped) return;
    let client: MqttClient;
    try {
      const socket = await this.#open();
      if (this.#stopped) return void socket.destroy();
      client = new MqttClient(() => socket, this.#options());
    } catch (error) {
      // Nobody there, somebody else, a key or an address that cannot be used: the device goes on serving.
      const words = error instanceof Error ? error.message : String(error);
      this.#connecting = false;
      if (this.#stopped) return;
      this.#log.info({ url: this.#identity.mqttUrl, error: words }, 'the gateway cannot be connected to');
      this.#later();
      return;
    }
    this.#connecting = false;
    this.#client = client;
    let over = false;
    const ended = (): void => {
      if (over) return;
      over = true;
      clearTimeout(this.#limit);
      clearInterval(this.#pulse);
      client.end(true);
      if (this.#connected) this.#log.info('the connection to the gateway has ended');
      this.#connected = false;
      this.#client = undefined;
      this.#drop = undefined;
      if (!this.#stopped) this.#later();
    };
    this.#drop = ended;
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
        this.#pulse = setInterval(() => {
          if (performance.now() - this.#spokeAt >= QUIET_MS) void this.#announce(client, true);
        }, QUIET_MS);
        this.#listener.onConnected();
      });
    });
  }

  /** The way to the gateway, which was checked to be one of this fleet. */
  async #open(): Promise<TLSSocket> {
    const { hostname, port } = new URL(this.#identity.mqttUrl);
    this.#opening = new AbortController();
    const patience = setTimeout(() => this.#opening?.abort(), CONNECT_TIMEOUT_MS);
    try {
      return await openTls({
        host: hostname.replace(/^\[|\]$/g, ''),
        port: Number(port || DEFAULT_PORT),
        credentials: this.#credentials,
        floor: this.#floor(),
        signal: this.#opening.signal,
      });
    } finally {
      clearTimeout(patience);
      this.#opening = undefined;
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    const pauseMs = this.#atOnce ? 0 : this.#backoff.next();
    this.#atOnce = false;
    this.#timer = setTimeout(() => void this.#connect(), pauseMs);
  }

  #options(): IClientOptions {
    const { deviceId } = this.#identity;
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
      // MQTT.js would keep a buffer for every number of two bytes: 8 MB, to write a packet's id faster.
      writeCache: false,
      will: { topic: this.#topics.presence, payload: Buffer.from(this.#presence(false)), qos: 1, retain: true },
    };
  }

  #presence(online: boolean): string {
    const presence: Presence = { online, session: this.#session, agentVersion: AGENT_VERSION };
    return JSON.stringify(presence);
  }

  /** Retained: a gateway that comes later learns it too. */
  #announce(client: MqttClient, online: boolean): Promise<unknown> {
    this.#spokeAt = performance.now();
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
