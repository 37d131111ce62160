import { setTimeout as pause } from 'node:timers/promises';
import { connect, type MqttClient } from 'mqtt';

const CONNECT_TIMEOUT_MS = 8_000;
const ANSWER_TIMEOUT_MS = 3_000;
const LOOK_MS = 50;

/** With what a probe comes; without a key it shows no certificate. */
export interface ProbeIdentity {
  readonly id: string;
  readonly fleetCa: string;
  readonly key?: string;
  readonly certificate?: string;
}

export interface Heard {
  readonly topic: string;
  readonly payload: string;
}

/** An MQTT connection as devices make it, MQTT 3.1.1 with a clean session, which keeps what it hears. */
export class ProbeSession {
  readonly heard: Heard[] = [];
  readonly #closed: Promise<void>;
  #alive = true;

  private constructor(private readonly client: MqttClient) {
    client.on('message', (topic, payload) => this.heard.push({ topic, payload: payload.toString('utf8') }));
    this.#closed = new Promise((resolve) => client.once('close', resolve));
    void this.#closed.then(() => {
      this.#alive = false;
    });
    client.on('error', () => undefined);
  }

  /** @param clientId another than its own, to see what comes of it. @throws Error when it is refused, or nobody answers */
  static open(url: string, identity: ProbeIdentity, clientId = identity.id): Promise<ProbeSession> {
    const client = connect(url, {
      protocolVersion: 4,
      clientId,
      username: identity.id,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ca: identity.fleetCa,
      ...(identity.key === undefined ? {} : { key: identity.key }),
      ...(identity.certificate === undefined ? {} : { cert: identity.certificate }),
    });
    return new Promise((resolve, reject) => {
      let reason = 'the connection was closed';
      const refuse = () => {
        clearTimeout(limit);
        client.end(true);
        reject(new Error(reason));
      };
      // A refusal before CONNACK is told by the closed connection alone, and sometimes not even by that.
      const limit = setTimeout(() => {
        reason = `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`;
        refuse();
      }, CONNECT_TIMEOUT_MS);
      client.on('error', (error) => {
        reason = error.message;
      });
      client.once('close', refuse);
      client.once('connect', () => {
        clearTimeout(limit);
        client.off('close', refuse);
        resolve(new ProbeSession(client));
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Asks for a filter; whether it is granted is not believed: what is heard counts. */
  async subscribe(filter: string): Promise<void> {
    await this.#answered(this.client.subscribeAsync(filter, { qos: 1 }));
  }

  /** Publishes with QoS 1; whether it is acknowledged is not believed: what arrives counts. */
  async publish(topic: string, payload: object): Promise<void> {
    await this.#answered(this.client.publishAsync(topic, JSON.stringify(payload), { qos: 1 }));
  }

  /** Waits until something that fits is heard. @returns whether it was, in time */
  async hears(fits: (heard: Heard) => boolean, milliseconds: number): Promise<boolean> {
    for (const deadline = Date.now() + milliseconds; ; await pause(LOOK_MS)) {
      if (this.heard.some(fits)) return true;
      if (Date.now() > deadline) return false;
    }
  }

  end(): void {
    this.client.end(true);
  }

  async #answered(asked: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const patience = pause(ANSWER_TIMEOUT_MS, undefined, { signal: over.signal });
    await Promise.race([asked, this.#closed, patience].map((waiting) => waiting.catch(() => undefined)));
    over.abort();
  }
}
