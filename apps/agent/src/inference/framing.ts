import type { Writable } from 'node:stream';
import { InferenceError } from './errors.ts';

/** One message on a pipe: a small JSON head and, where there is one, a binary body (pixels, an image file). */
export interface Message {
  readonly head: unknown;
  readonly body: Uint8Array;
}

export const PREFIX_BYTES = 8;
const MAX_HEAD_BYTES = 1024 * 1024;
/** A raw 8K frame has 100 MB. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const NO_BODY = new Uint8Array(0);

/**
 * Writes `u32 head length | u32 body length | head as JSON | body`, both lengths little-endian, in bytes.
 * The body is not copied: do not change it until the stream has taken it.
 * @returns false when the stream asks to wait for `drain`.
 */
export function writeMessage(stream: Writable, head: unknown, body: Uint8Array = NO_BODY): boolean {
  const start = encodeMessage(head, body.byteLength);
  if (body.byteLength === 0) return stream.write(start);
  // Corked, both parts leave in one writev.
  stream.cork();
  stream.write(start);
  const more = stream.write(body);
  stream.uncork();
  return more;
}

/** A message up to its body, which must follow. @throws InferenceError `protocol-broken` where it would be too long. */
export function encodeMessage(head: unknown, bodyLength: number): Buffer {
  const json = JSON.stringify(head);
  const headLength = Buffer.byteLength(json);
  checkLengths(headLength, bodyLength);
  const start = Buffer.allocUnsafe(PREFIX_BYTES + headLength);
  start.writeUInt32LE(headLength, 0);
  start.writeUInt32LE(bodyLength, 4);
  start.write(json, PREFIX_BYTES);
  return start;
}

/** What the first `PREFIX_BYTES` of a message say, in bytes. @throws InferenceError `protocol-broken`. */
export function messageLengths(prefix: Buffer): { headLength: number; bodyLength: number } {
  const headLength = prefix.readUInt32LE(0);
  const bodyLength = prefix.readUInt32LE(4);
  checkLengths(headLength, bodyLength);
  return { headLength, bodyLength };
}

function checkLengths(headLength: number, bodyLength: number): void {
  if (headLength >= 2 && headLength <= MAX_HEAD_BYTES && bodyLength <= MAX_BODY_BYTES) return;
  throw new InferenceError(
    'protocol-broken',
    `expected a message with a head of 2 to ${MAX_HEAD_BYTES} bytes and a body of at most ${MAX_BODY_BYTES}; its lengths are ${headLength} and ${bodyLength}. Something else may have written into this pipe`,
  );
}

/**
 * Puts messages together again from the pieces that a pipe gives. Each body is its own memory of exactly its length,
 * allocated once: a picture arrives in many pieces, and joining them again and again would cost its square.
 */
export class MessageReader {
  readonly #onMessage: (message: Message) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #head: Buffer = Buffer.alloc(0);
  #body: Buffer = Buffer.alloc(0);
  #part: 'prefix' | 'head' | 'body' = 'prefix';
  #filled = 0;

  /** @param onMessage is called within `push`, once per complete message and in order. */
  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  /** @throws InferenceError `protocol-broken` when the bytes are no message; the stream is then of no further use. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.byteLength) {
      const target = this.#part === 'prefix' ? this.#prefix : this.#part === 'head' ? this.#head : this.#body;
      const end = Math.min(chunk.byteLength, offset + target.byteLength - this.#filled);
      target.set(chunk.subarray(offset, end), this.#filled);
      this.#filled += end - offset;
      offset = end;
      if (this.#filled === target.byteLength) this.#next();
    }
  }

  #next(): void {
    this.#filled = 0;
    if (this.#part === 'prefix') {
      const { headLength, bodyLength } = messageLengths(this.#prefix);
      this.#head = Buffer.allocUnsafe(headLength);
      this.#body = Buffer.allocUnsafeSlow(bodyLength);
      this.#part = 'head';
    } else if (this.#part === 'head' && this.#body.byteLength > 0) {
      this.#part = 'body';
    } else {
      this.#part = 'prefix';
      this.#onMessage({ head: parseHead(this.#head), body: this.#body });
    }
  }
}

/** @throws InferenceError `protocol-broken`. */
export function parseHead(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new InferenceError(
      'protocol-broken',
      'expected JSON as the head of a message; something else wrote into this pipe',
    );
  }
}
