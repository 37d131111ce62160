import { connect, type TLSSocket } from 'node:tls';
import { deviceTopics, type TelemetryRecord } from '@aviary/protocol';
import mqtt from 'mqtt-packet';
import type { Identity } from '../../../apps/agent/src/identity/identity.ts';

/** One device that empties a backlog as the agent does: a batch in flight, the next after its acknowledgement. */
class LoadedDevice {
  readonly #identity: Identity;
  readonly #records: string;
  #socket: TLSSocket | undefined;
  #seq: number;
  #acknowledged = 0;
  #sending = false;

  constructor(identity: Identity, firstSeq: number, records: readonly TelemetryRecord[]) {
    this.#identity = identity;
    this.#seq = firstSeq;
    this.#records = JSON.stringify(records);
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  async connect(port: number): Promise<void> {
    const { key, certificate, fleetCa, deviceId } = this.#identity;
    const socket = connect({ host: '127.0.0.1', port, key, cert: certificate, ca: fleetCa, minVersion: 'TLSv1.3' });
    socket.setNoDelay(true);
    const parser = mqtt.parser({ protocolVersion: 4 });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error(`${deviceId} was let go`)));
      socket.on('data', (bytes: Buffer) => parser.parse(bytes));
      parser.on('packet', (packet) => {
        if (packet.cmd === 'connack') {
          const subscriptions = [{ topic: deviceTopics(deviceId).down, qos: 0 as const }];
          socket.write(mqtt.generate({ cmd: 'subscribe', messageId: 1, subscriptions }));
        } else if (packet.cmd === 'suback') resolve();
        else if (packet.cmd === 'publish') this.#acknowledge(packet.payload.toString());
      });
      socket.write(
        mqtt.generate({ cmd: 'connect', clientId: deviceId, clean: true, keepalive: 60, protocolVersion: 4 }),
      );
    });
    this.#socket = socket;
  }

  start(): void {
    this.#sending = true;
    this.#send();
  }

  /** No new batch; the one in flight is still answered. */
  pause(): void {
    this.#sending = false;
  }

  close(): void {
    this.#sending = false;
    this.#socket?.removeAllListeners('close').destroy();
  }

  #send(): void {
    const { epoch, deviceId } = this.#identity;
    const payload = `{"epoch":${epoch},"seq":${this.#seq},"records":${this.#records}}`;
    const messageId = (this.#seq % 65_535) + 1;
    const topic = deviceTopics(deviceId).telemetry;
    this.#socket?.write(
      mqtt.generate({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false }),
    );
  }

  #acknowledge(payload: string): void {
    const { seq } = JSON.parse(payload) as { seq?: number };
    // A doorbell has no number, and whoever is ahead of the database sends again from there.
    if (seq === undefined) return;
    if (seq === this.#seq) this.#acknowledged += 1;
    this.#seq = seq + 1;
    if (this.#sending) this.#send();
  }
}

/** A fleet that empties its backlog into one gateway. */
export class DeviceLoad {
  readonly #devices: readonly LoadedDevice[];

  private constructor(devices: readonly LoadedDevice[]) {
    this.#devices = devices;
  }

  static async connect(
    identities: readonly Identity[],
    port: number,
    records: readonly TelemetryRecord[],
  ): Promise<DeviceLoad> {
    const devices = identities.map((identity) => new LoadedDevice(identity, 1, records));
    for (const device of devices) await device.connect(port);
    return new DeviceLoad(devices);
  }

  /** @returns batches acknowledged per second */
  async measure(seconds: number): Promise<number> {
    const before = this.#total();
    const from = performance.now();
    for (const device of this.#devices) device.start();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const rate = (this.#total() - before) / ((performance.now() - from) / 1000);
    for (const device of this.#devices) device.pause();
    // What is in flight must not be measured with whatever comes next.
    await new Promise((resolve) => setTimeout(resolve, 300));
    return rate;
  }

  close(): void {
    for (const device of this.#devices) device.close();
  }

  #total(): number {
    return this.#devices.reduce((sum, device) => sum + device.acknowledged, 0);
  }
}
