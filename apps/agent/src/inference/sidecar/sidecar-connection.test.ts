import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { MessageReader, writeMessage } from '../framing.ts';
import { SidecarConnection } from './sidecar-connection.ts';

const open: Duplex[] = [];
afterEach(() => {
  for (const stream of open.splice(0)) stream.destroy();
});

/** A connection whose other end says this to each request. */
const connected = (say: (head: { id: number }, other: Duplex) => void): SidecarConnection => {
  const [ours, other] = duplexPair();
  open.push(ours, other);
  const reader = new MessageReader(({ head }) => say(head as { id: number }, other));
  other.on('data', (chunk: Buffer) => reader.push(chunk));
  other.on('error', () => undefined);
  return new SidecarConnection(ours);
};

const answering = (answer: object, body?: Uint8Array): SidecarConnection =>
  connected(({ id }, other) => writeMessage(other, { id, ...answer }, body));

const HELLO = {
  kind: 'hello',
  protocol: 1,
  name: 'x',
  runtime: 'tflite',
  version: '2.14',
  formats: ['tflite'],
  provider: 'edgetpu',
};
const FLOATS = { name: 'y', type: 'float32', shape: [1, 2] };

describe('a connection to a sidecar', () => {
  it('hears its hello', async () => {
    expect(await answering(HELLO).hello()).toMatchObject({ runtime: 'tflite', version: '2.14', provider: 'edgetpu' });
  });

  it('refuses another protocol', async () => {
    await expect(answering({ ...HELLO, protocol: 2 }).hello()).rejects.toMatchObject({
      reason: 'protocol-unsupported',
    });
  });

  it('cuts outputs out of a body, wherever they begin', async () => {
    const byte = { name: 'flag', type: 'bool', shape: [1] };
    const body = Buffer.concat([Buffer.of(1), Buffer.from(Float32Array.of(0.25, -2).buffer)]);
    const [flag, numbers] = await answering({ kind: 'ran', outputs: [byte, FLOATS] }, body).run(0, [], ['flag', 'y']);
    expect(flag?.bytes).toEqual(Buffer.of(1));
    expect(Buffer.from(numbers?.bytes ?? []).readFloatLE(4)).toBe(-2);
  });

  it('hears that something was refused, and goes on', async () => {
    const connection = answering({ kind: 'error', code: 'run-failed', words: 'no memory' });
    const refused = {
      name: 'SidecarRefusedError',
      code: 'sidecar-refused',
      reason: 'run-failed',
      message: 'no memory',
    };
    await expect(connection.run(0, [], ['y'])).rejects.toMatchObject(refused);
    await expect(connection.ping()).rejects.toMatchObject(refused);
    expect(connection.isEnded).toBe(false);
  });

  it('hears that it is at work', async () => {
    const [ours, other] = duplexPair();
    open.push(ours, other);
    let alive = 0;
    const connection = new SidecarConnection(ours, { onAlive: () => (alive += 1) });
    const answer = connection.ping();
    writeMessage(other, { kind: 'alive' });
    writeMessage(other, { kind: 'alive' });
    writeMessage(other, { kind: 'pong', id: 1 });
    await answer;
    expect(alive).toBe(2);
  });

  it.each<[string, (head: { id: number }, other: Duplex) => void, RegExp]>([
    [
      'bytes that are no message',
      (_, other) => other.write('HTTP/1.1 200 OK\r\n\r\n'),
      /no message: expected a message/,
    ],
    ['a head that is no JSON', (_, other) => other.write(Buffer.from('\x04\0\0\0\0\0\0\0abcd')), /expected JSON/],
    ['an answer of no known kind', ({ id }, other) => writeMessage(other, { kind: 'sung', id }), /no answer/],
    [
      'an answer to something else',
      (_, other) => writeMessage(other, { kind: 'pong', id: 77 }),
      /answered 77, which was not asked/,
    ],
    [
      'another answer than was asked for',
      ({ id }, other) => writeMessage(other, { kind: 'pong', id }),
      /expected "ran" from the sidecar, got "pong"/,
    ],
    [
      'other outputs than are wanted',
      ({ id }, other) => writeMessage(other, { kind: 'ran', id, outputs: [] }),
      /expected the outputs y.*got none/,
    ],
    [
      'fewer bytes than its shapes say',
      ({ id }, other) => writeMessage(other, { kind: 'ran', id, outputs: [FLOATS] }, Buffer.alloc(4)),
      /the 4 bytes of the sidecar's outputs are not what their shapes say/,
    ],
    [
      'more bytes than its shapes say',
      ({ id }, other) => writeMessage(other, { kind: 'ran', id, outputs: [FLOATS] }, Buffer.alloc(12)),
      /the 12 bytes/,
    ],
    [
      'an error that nobody knows',
      ({ id }, other) => writeMessage(other, { kind: 'error', id, code: 'tired', words: '' }),
      /no answer: code/,
    ],
    ['nothing any more', (_, other) => other.end(), /closed its connection/],
  ])('ends at %s', async (_, say, words) => {
    const connection = connected(say);
    await expect(connection.run(0, [], ['y'])).rejects.toMatchObject({
      name: 'SidecarLostError',
      code: 'sidecar-lost',
      message: expect.stringMatching(words),
    });
    expect(connection.isEnded).toBe(true);
    await expect(connection.ping()).rejects.toMatchObject({ code: 'sidecar-lost' });
  });
});
