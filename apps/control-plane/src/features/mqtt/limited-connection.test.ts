import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { generate, type IPublishPacket, type Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { LimitedConnection, PacketTooLargeError } from './limited-connection.ts';

const LIMIT = 300;

const publish = (payload: Buffer | string, topic = 'aviary/v1/d/d-one/up/telemetry'): IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload,
  qos: 1,
  messageId: 7,
  dup: false,
  retain: false,
});

const bytesOf = (...packets: Packet[]): Buffer => Buffer.concat(packets.map((packet) => generate(packet)));

/** Its payload fills the packet up to exactly `length` bytes after the fixed header. */
const publishOf = (length: number): Buffer => bytesOf(publish(Buffer.alloc(length - 2 - 30 - 2, 0x80)));

const CONVERSATION = bytesOf(
  { cmd: 'connect', clientId: 'd-one', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 30 },
  { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'aviary/v1/d/d-one/down/+', qos: 0 }] },
  { cmd: 'pingreq' },
  publish('short'),
  publish('x'.repeat(130)),
  { cmd: 'puback', messageId: 3 },
  { cmd: 'pingreq' },
  { cmd: 'disconnect' },
);

interface Line {
  readonly device: Duplex;
  readonly connection: LimitedConnection;
  readonly received: Buffer[];
  readonly errors: Error[];
}

const openLine = (): Line => {
  const [device, socket] = duplexPair();
  const connection = new LimitedConnection(socket, LIMIT);
  const received: Buffer[] = [];
  const errors: Error[] = [];
  connection.on('data', (chunk: Buffer) => received.push(chunk));
  connection.on('error', (error) => errors.push(error));
  return { device, connection, received, errors };
};

const say = async (device: Duplex, ...pieces: Buffer[]): Promise<void> => {
  for (const piece of pieces) {
    if (piece.length > 0) device.write(piece);
    await setImmediate();
  }
};

describe('LimitedConnection', () => {
  it('passes a conversation on untouched, cut at every place', async () => {
    for (let cut = 0; cut <= CONVERSATION.length; cut += 1) {
      const { device, received, errors } = openLine();
      await say(device, CONVERSATION.subarray(0, cut), CONVERSATION.subarray(cut));
      expect(errors).toEqual([]);
      expect(Buffer.concat(received)).toEqual(CONVERSATION);
      device.destroy();
    }
  });

  it('passes any packets within the limit, in any pieces', async () => {
    const payload = fc.uint8Array({ maxLength: LIMIT - 34 });
    await fc.assert(
      fc.asyncProperty(fc.array(payload, { maxLength: 6 }), fc.array(fc.nat(2000)), async (payloads, cuts) => {
        const bytes = bytesOf(...payloads.map((content) => publish(Buffer.from(content))));
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const { device, received, errors } = openLine();
        await say(device, ...places.slice(1).map((end, index) => bytes.subarray(places[index], end)));
        expect(errors).toEqual([]);
        expect(Buffer.concat(received)).toEqual(bytes);
        device.destroy();
      }),
      { numRuns: 40 },
    );
  });

  it('ends at the header of a packet over the limit, wherever it is cut, and not at the limit itself', async () => {
    expect(publishOf(LIMIT).subarray(1, 3)).toEqual(Buffer.from([0x80 | (LIMIT % 128), LIMIT >> 7]));
    const allowed = Buffer.concat([CONVERSATION, publishOf(LIMIT)]);
    const all = Buffer.concat([allowed, publishOf(LIMIT + 1)]);
    for (let cut = allowed.length - 3; cut <= allowed.length + 4; cut += 1) {
      const { device, connection, received, errors } = openLine();
      await say(device, all.subarray(0, cut), all.subarray(cut));
      expect(errors).toEqual([expect.any(PacketTooLargeError)]);
      expect(connection.destroyed).toBe(true);
      expect(Buffer.concat(received).length).toBeLessThanOrEqual(allowed.length + 3);
      expect(errors[0]?.message).toContain(`at most ${LIMIT} bytes`);
    }
  });

  it('does not let a length without end through', async () => {
    const { device, errors } = openLine();
    await say(device, Buffer.from([0x30, ...Array.from({ length: 300 }, () => 0x80), 0x01]), Buffer.alloc(1000));
    expect(errors).toEqual([expect.any(PacketTooLargeError)]);
  });

  it('lets the sender wait while nobody reads, and loses nothing', async () => {
    const [device, socket] = duplexPair();
    const connection = new LimitedConnection(socket, LIMIT);
    const packets = Array.from({ length: 2_000 }, () => publishOf(LIMIT));
    let taken = 0;
    for (const packet of packets) device.write(packet, () => (taken += 1));
    await setImmediate();
    expect(taken).toBeLessThan(packets.length);
    const received: Buffer[] = [];
    device.end();
    for await (const chunk of connection) received.push(chunk);
    expect(Buffer.concat(received)).toEqual(Buffer.concat(packets));
  });

  it('carries what the broker says to the device, and ends with either of them', async () => {
    const { device, connection } = openLine();
    const heard: Buffer[] = [];
    device.on('data', (chunk: Buffer) => heard.push(chunk));
    const pieces = [Buffer.from([0x20, 2]), Buffer.from([0, 0])];
    connection.cork();
    for (const piece of pieces) connection.write(piece);
    connection.uncork();
    await setImmediate();
    expect(Buffer.concat(heard)).toEqual(Buffer.concat(pieces));
    device.end();
    await once(connection, 'close');
    const other = openLine();
    other.connection.destroy();
    await once(other.connection, 'close');
    expect([...other.errors, ...other.received]).toEqual([]);
  });
});
