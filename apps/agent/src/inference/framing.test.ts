import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Message, MessageReader, writeMessage } from './framing.ts';

function written(messages: readonly { head: unknown; body?: Uint8Array }[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 1 << 30 });
  for (const { head, body } of messages) writeMessage(stream, head, body);
  const bytes = stream.read();
  return Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
}

describe('framing', () => {
  it('has the lengths in little-endian before head and body', () => {
    expect([...written([{ head: { a: 1 }, body: Uint8Array.of(9, 8) }])]).toEqual([
      7,
      0,
      0,
      0,
      2,
      0,
      0,
      0,
      ...Buffer.from('{"a":1}'),
      9,
      8,
    ]);
  });

  it('gives the same messages whatever pieces the pipe cuts them into', () => {
    const message = fc.record({ head: fc.record({ name: fc.string() }), body: fc.uint8Array({ maxLength: 50 }) });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 20 })),
        (messages, sizes) => {
          const bytes = written(messages);
          const got: Message[] = [];
          const reader = new MessageReader((one) => got.push(one));
          for (let offset = 0; offset < bytes.length; ) {
            const size = sizes.next().value ?? 1;
            reader.push(bytes.subarray(offset, offset + size));
            offset += size;
          }
          expect(got.map(({ head, body }) => ({ head, body: [...body] }))).toEqual(
            messages.map(({ head, body }) => ({ head, body: [...body] })),
          );
        },
      ),
    );
  });

  it('refuses lengths that no message has', () => {
    const reader = new MessageReader(() => {});
    expect(() => reader.push(Buffer.from('Segmentation fault\n'))).toThrow(
      /Something else may have written into this pipe/,
    );
  });

  it('refuses a head that is not JSON', () => {
    const bytes = written([{ head: { a: 1 } }]);
    bytes[8] = 0x78;
    expect(() => new MessageReader(() => {}).push(bytes)).toThrow(expect.objectContaining({ code: 'protocol-broken' }));
  });
});
