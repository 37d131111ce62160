import { readSync, writeSync } from 'node:fs';
import { encodeMessage, type Message, messageLengths, PREFIX_BYTES, parseHead } from '../framing.ts';

const STDIN = 0;
const STDOUT = 1;

/**
 * The next message of stdin, waited for without the event loop: a worker has nothing else to do, and this halves what a
 * round trip costs beside Node's streams. The body is read straight to its place.
 * @returns null when stdin has closed.
 * @throws InferenceError `protocol-broken`.
 */
export function readMessage(): Message | null {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  if (!fill(prefix)) return null;
  const { headLength, bodyLength } = messageLengths(prefix);
  const head = Buffer.allocUnsafe(headLength);
  const body = Buffer.allocUnsafe(bodyLength);
  if (!fill(head) || !fill(body)) return null;
  return { head: parseHead(head), body };
}

/** Writes a message to stdout and returns when the kernel has it. */
export function sayMessage(head: unknown, body?: Uint8Array): void {
  write(encodeMessage(head, body?.byteLength ?? 0));
  if (body !== undefined) write(body);
}

function write(bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(STDOUT, bytes, offset);
}

/** What was read beyond the message before: a small message comes whole in one system call. */
const ahead = Buffer.allocUnsafeSlow(64 * 1024);
let start = 0;
let end = 0;

/** @returns false when the pipe ended first. */
function fill(target: Buffer): boolean {
  for (let offset = 0; offset < target.length; ) {
    if (start < end) {
      const copied = ahead.copy(target, offset, start, end);
      start += copied;
      offset += copied;
    } else if (target.length - offset >= ahead.length) {
      const length = readSync(STDIN, target, offset, target.length - offset, null);
      if (length === 0) return false;
      offset += length;
    } else {
      start = 0;
      end = readSync(STDIN, ahead, 0, ahead.length, null);
      if (end === 0) return false;
    }
  }
  return true;
}
