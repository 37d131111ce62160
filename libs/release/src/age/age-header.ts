import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { AgeError } from './age-error.ts';
import { decodeAgeIdentity, decodeAgeRecipient, x25519, x25519PublicKey } from './age-recipient.ts';

/** Bytes of a file key (age spec, "File key"). */
export const FILE_KEY_BYTES = 16;

const INTRO = 'age-encryption.org/v1';
const X25519_INFO = 'age-encryption.org/v1/X25519';
const ZERO_NONCE = Buffer.alloc(12);
// Wrapped key: the file key and a Poly1305 tag.
const WRAPPED_BYTES = FILE_KEY_BYTES + 16;
// A header is kept in memory and hashed before anything in it is believed.
const MAX_HEADER_BYTES = 1024 * 1024;

interface Stanza {
  readonly type: string;
  readonly args: readonly string[];
  readonly body: Buffer;
}

interface ParsedHeader {
  readonly stanzas: readonly Stanza[];
  readonly mac: Buffer;
  /** Everything up to and with `---`. */
  readonly macInput: Buffer;
}

/**
 * An age v1 header (c2sp.org/age) with one X25519 stanza, ending in its newline; followed by the payload of the same
 * file key it is an ordinary age file.
 * @param fileKey 16 bytes.
 * @param recipient `age1…`.
 */
export function createHeader(fileKey: Uint8Array, recipient: string): Buffer {
  assertFileKey(fileKey);
  const publicKey = decodeAgeRecipient(recipient);
  const ephemeralSecret = randomBytes(32);
  const ephemeral = x25519PublicKey(ephemeralSecret);
  const wrapKey = deriveWrapKey(x25519(ephemeralSecret, publicKey), ephemeral, publicKey);
  const cipher = createCipheriv('chacha20-poly1305', wrapKey, ZERO_NONCE, { authTagLength: 16 });
  const wrapped = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
  const signed = Buffer.from(`${INTRO}\n-> X25519 ${base64(ephemeral)}\n${base64(wrapped)}\n---`, 'latin1');
  return Buffer.concat([signed, Buffer.from(` ${base64(headerMac(fileKey, signed))}\n`, 'latin1')]);
}

/**
 * The 16-byte file key of a header that is meant for `identity` (`AGE-SECRET-KEY-1…`) among possibly others.
 * @throws AgeError `age-header-malformed`, `age-not-for-us` (no stanza opens), `age-header-tampered` (wrong MAC).
 */
export function openHeader(header: Uint8Array, identity: string): Buffer {
  const secret = decodeAgeIdentity(identity);
  const publicKey = x25519PublicKey(secret);
  const parsed = parseHeader(Buffer.from(header));
  for (const stanza of parsed.stanzas) {
    if (stanza.type !== 'X25519') continue;
    const fileKey = unwrap(stanza, secret, publicKey);
    if (fileKey === undefined) continue;
    if (!timingSafeEqual(headerMac(fileKey, parsed.macInput), parsed.mac)) {
      throw new AgeError('age-header-tampered', 'the age header was changed after it was made: its MAC does not fit');
    }
    return fileKey;
  }
  throw new AgeError('age-not-for-us', 'the age header is sealed to other recipients than this key');
}

function unwrap(stanza: Stanza, secret: Buffer, publicKey: Buffer): Buffer | undefined {
  const [share, ...rest] = stanza.args;
  if (share === undefined || rest.length > 0) throw malformed('an X25519 stanza takes one argument');
  const ephemeral = unbase64(share);
  if (ephemeral.length !== 32) throw malformed('an X25519 share has 32 bytes');
  if (stanza.body.length !== WRAPPED_BYTES) throw malformed(`an X25519 stanza's body has ${WRAPPED_BYTES} bytes`);
  let shared: Buffer;
  try {
    shared = x25519(secret, ephemeral);
  } catch (cause) {
    throw new AgeError('age-header-malformed', 'malformed age header: an X25519 share of low order', { cause });
  }
  const wrapKey = deriveWrapKey(shared, ephemeral, publicKey);
  const decipher = createDecipheriv('chacha20-poly1305', wrapKey, ZERO_NONCE, { authTagLength: 16 });
  decipher.setAuthTag(stanza.body.subarray(FILE_KEY_BYTES));
  const fileKey = decipher.update(stanza.body.subarray(0, FILE_KEY_BYTES));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return fileKey;
}

function parseHeader(header: Buffer): ParsedHeader {
  if (header.length > MAX_HEADER_BYTES) throw malformed(`it has ${header.length} bytes, at most 1 MiB is taken`);
  const text = header.toString('latin1');
  if (!text.endsWith('\n')) throw malformed('it does not end in a newline');
  const lines = text.slice(0, -1).split('\n');
  if (lines[0] !== INTRO) throw malformed(`it does not start with ${INTRO}`);

  const stanzas: Stanza[] = [];
  let index = 1;
  while (lines[index]?.startsWith('-> ')) {
    const [type = '', ...args] = (lines[index] ?? '').slice(3).split(' ');
    if (![type, ...args].every((word) => /^[\x21-\x7e]+$/.test(word)))
      throw malformed('a stanza has an unprintable argument');
    index++;
    let body = '';
    for (;;) {
      const line = lines[index++];
      if (line === undefined || line.length > 64) throw malformed('a stanza has no proper end');
      body += line;
      // Body lines have 64 columns but the last, which is shorter, even if empty.
      if (line.length < 64) break;
    }
    stanzas.push({ type, args, body: unbase64(body) });
  }
  const footer = lines[index] ?? '';
  if (!footer.startsWith('--- ') || index !== lines.length - 1) throw malformed('it has no proper last line');
  if (stanzas.length === 0) throw malformed('it has no recipient');
  if (stanzas.length > 1 && stanzas.some(({ type }) => type === 'scrypt')) {
    throw malformed('a scrypt stanza stands beside others');
  }
  const mac = unbase64(footer.slice(4));
  if (mac.length !== 32) throw malformed('its MAC has not 32 bytes');
  return { stanzas, mac, macInput: header.subarray(0, header.length - footer.length - 1 + 3) };
}

function deriveWrapKey(shared: Buffer, ephemeral: Buffer, recipient: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([ephemeral, recipient]), X25519_INFO, 32));
}

function headerMac(fileKey: Uint8Array, input: Buffer): Buffer {
  return createHmac('sha256', Buffer.from(hkdfSync('sha256', fileKey, '', 'header', 32)))
    .update(input)
    .digest();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
}

/** Standard base64 without padding, canonical only: another spelling of the same bytes is refused. */
function unbase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (base64(bytes) !== text) throw malformed('base64 is not canonical');
  return bytes;
}

function assertFileKey(fileKey: Uint8Array): void {
  if (fileKey.length !== FILE_KEY_BYTES) {
    throw new AgeError('age-key-invalid', `expected a file key of ${FILE_KEY_BYTES} bytes, got ${fileKey.length}`);
  }
}

function malformed(why: string): AgeError {
  return new AgeError('age-header-malformed', `malformed age header: ${why}`);
}
