import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { AgeError } from './age-error.ts';
import { FILE_KEY_BYTES } from './age-header.ts';

const NONCE_BYTES = 16;
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;

/** Bytes of the payload that {@link sealPayload} makes of so many bytes. */
export function sealedLength(plaintextLength: number): number {
  return NONCE_BYTES + plaintextLength + TAG_BYTES * Math.max(1, Math.ceil(plaintextLength / CHUNK_BYTES));
}

/**
 * The payload of an age v1 file (c2sp.org/age, "Payload"): a random 16-byte nonce, then STREAM, ChaCha20-Poly1305 in
 * chunks of 64 KiB. Holds two chunks at a time, however long the input is.
 * @param fileKey 16 bytes, never used for another payload.
 */
export async function* sealPayload(
  fileKey: Uint8Array,
  plaintext: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  const nonce = randomBytes(NONCE_BYTES);
  const key = payloadKey(fileKey, nonce);
  yield nonce;
  let counter = 0;
  // Only the end of the input tells which chunk was the last, so each waits for its successor's first byte.
  for await (const { chunk, last } of chunks(plaintext, CHUNK_BYTES)) {
    const cipher = createCipheriv('chacha20-poly1305', key, chunkNonce(counter++, last), { authTagLength: TAG_BYTES });
    const body = cipher.update(chunk);
    cipher.final();
    yield Buffer.concat([body, cipher.getAuthTag()]);
  }
}

/**
 * Opens what {@link sealPayload} made. A chunk is released only after it was authenticated; that it all was complete is
 * known only when the generator has ended without an error, so what came before must not be used until then.
 * @param ciphertext a part of it has to stay as it is until the one after the next is asked for.
 * @throws AgeError `age-payload-truncated`, `age-payload-trailing` (bytes after the last chunk), `age-payload-tampered`.
 */
export async function* openPayload(
  fileKey: Uint8Array,
  ciphertext: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  let key: KeyObject | undefined;
  let counter = 0;
  for await (const { chunk, last } of chunks(ciphertext, CHUNK_BYTES + TAG_BYTES, NONCE_BYTES)) {
    if (key === undefined) {
      if (chunk.length < NONCE_BYTES) throw truncated('it ends within its nonce');
      key = payloadKey(fileKey, chunk);
      continue;
    }
    if (chunk.length < TAG_BYTES) throw truncated(`chunk ${counter} is cut`);
    if (counter > 0 && chunk.length === TAG_BYTES) {
      throw new AgeError('age-payload-tampered', 'the age payload has an empty last chunk, which no sealer makes');
    }
    const plain = openChunk(key, counter, last, chunk);
    if (plain === undefined) {
      const other = openChunk(key, counter, !last, chunk);
      if (other === undefined) {
        throw new AgeError(
          'age-payload-tampered',
          `chunk ${counter} of the age payload is damaged, or the key is another's`,
        );
      }
      // A full chunk is authentic whatever comes after it, and is released as every other; a short one stands only at the end.
      if (chunk.length === CHUNK_BYTES + TAG_BYTES) yield other;
      if (last) throw truncated(`it ends after chunk ${counter}, which is not the last one`);
      throw new AgeError(
        'age-payload-trailing',
        `the age payload goes on after chunk ${counter}, which is the last one`,
      );
    }
    yield plain;
    counter++;
  }
}

function openChunk(key: KeyObject, counter: number, last: boolean, chunk: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('chacha20-poly1305', key, chunkNonce(counter, last), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(chunk.subarray(chunk.length - TAG_BYTES));
  const plain = decipher.update(chunk.subarray(0, chunk.length - TAG_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

/**
 * Cuts a stream into pieces of `size` bytes, after a first one of `head` bytes when that is not 0. Exactly the final
 * piece is marked `last`; an empty stream, or one that ends with its head, has one empty last piece. A piece that lies
 * within one part of the stream is not copied.
 */
async function* chunks(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
  head = 0,
): AsyncGenerator<{ chunk: Buffer; last: boolean }, void, undefined> {
  let want = head || size;
  let inHead = head > 0;
  // What is known of the next piece so far; it is given away when a byte behind it has come.
  let pending: Buffer = Buffer.alloc(0);
  // Where a piece is put together that comes in several parts.
  let room: Buffer | undefined;
  for await (const part of source) {
    let rest = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    while (rest.length > 0) {
      if (pending.length === want) {
        yield { chunk: pending, last: false };
        inHead = false;
        want = size;
        pending = Buffer.alloc(0);
        room = undefined;
      }
      const taken = rest.subarray(0, want - pending.length);
      if (pending.length === 0) {
        pending = taken;
      } else {
        if (room === undefined) {
          room = Buffer.allocUnsafe(want);
          pending.copy(room);
        }
        taken.copy(room, pending.length);
        pending = room.subarray(0, pending.length + taken.length);
      }
      rest = rest.subarray(taken.length);
    }
  }
  if (inHead && pending.length === want) {
    yield { chunk: pending, last: false };
    pending = Buffer.alloc(0);
  }
  yield { chunk: pending, last: true };
}
/** 11-byte big-endian counter, then 1 for the last chunk and 0 for others. */
function chunkNonce(counter: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(counter, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

/** An object once, since making one of bytes for every chunk costs half of what decrypting the chunk does. */
function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
  if (fileKey.length !== FILE_KEY_BYTES) {
    throw new AgeError('age-key-invalid', `expected a file key of ${FILE_KEY_BYTES} bytes, got ${fileKey.length}`);
  }
  return createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32)));
}

function truncated(why: string): AgeError {
  return new AgeError('age-payload-truncated', `the age payload is cut short: ${why}; fetch it again`);
}
