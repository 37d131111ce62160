import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ID_BYTES = 8;
/** Before each sealed value, so that what was sealed before values named their key is told from what names it. */
const MARK = Buffer.from('aviary\0\x01', 'latin1');

/** A secret and the master key do not belong together, or one of them is damaged or cannot be had. */
export class MasterKeyError extends Error {
  readonly code = 'master-key';
}

/** Bytes with which everything begins that the key of this id has sealed: mark ‖ id. */
export const sealedPrefix = (keyId: string): Buffer => Buffer.concat([MARK, Buffer.from(keyId, 'hex')]);

/** Bytes with which everything begins that names its key. */
export const SEALED_MARK: Buffer = MARK;

/** Id of the key under which a value was sealed; undefined for values of a time when they did not say so. */
export const keyIdOf = (sealed: Uint8Array): string | undefined => {
  const bytes = Buffer.from(sealed);
  if (!bytes.subarray(0, MARK.length).equals(MARK)) return undefined;
  return bytes.subarray(MARK.length, MARK.length + ID_BYTES).toString('hex');
};

/** AES-256-GCM (NIST SP 800-38D) with a fresh random nonce for each value and the secret's name as associated data. */
export class MasterKey {
  /** 16 hex digits that follow from the key, and from which the key does not follow. */
  readonly id: string;

  constructor(private readonly key: Buffer) {
    this.id = createHmac('sha256', key).update('aviary master key id').digest().subarray(0, ID_BYTES).toString('hex');
  }

  /** The key itself, to be sealed under another one or written to its file. */
  get bytes(): Buffer {
    return Buffer.from(this.key);
  }

  /** @returns mark ‖ key id ‖ nonce ‖ tag ‖ ciphertext; mark, key id and name are authenticated with it */
  seal(name: string, plaintext: Uint8Array): Buffer {
    const prefix = sealedPrefix(this.id);
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.key, iv).setAAD(Buffer.concat([prefix, Buffer.from(name)]));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return Buffer.concat([prefix, iv, cipher.getAuthTag(), body]);
  }

  /** @throws MasterKeyError when the value was sealed under another key or name, or was changed */
  open(name: string, sealed: Uint8Array): Buffer {
    const prefix = sealedPrefix(this.id);
    const bytes = Buffer.from(sealed);
    if (!bytes.subarray(0, prefix.length).equals(prefix)) throw damaged(name);
    return this.decrypt(name, bytes.subarray(prefix.length), Buffer.concat([prefix, Buffer.from(name)]));
  }

  /** Opens a value of a time when values did not name their key: nonce ‖ tag ‖ ciphertext. @throws MasterKeyError */
  openUnmarked(name: string, sealed: Uint8Array): Buffer {
    return this.decrypt(name, Buffer.from(sealed), Buffer.from(name));
  }

  private decrypt(name: string, bytes: Buffer, associated: Buffer): Buffer {
    try {
      // The length of the tag is said, or a shorter one would do, which is easier to guess.
      const decipher = createDecipheriv(ALGORITHM, this.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(associated)
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    } catch {
      throw damaged(name);
    }
  }
}

const damaged = (name: string) =>
  new MasterKeyError(
    `The secret "${name}" does not open with the master key that it names: the stored value was changed, or stands in the place of another. Restore it from a backup of the database.`,
  );

/** A fresh key. */
export const generateMasterKey = (): MasterKey => new MasterKey(randomBytes(KEY_BYTES));

/** As it lies in a file: 64 hex digits. */
export const encodeMasterKey = (key: MasterKey): string => key.bytes.toString('hex');

/**
 * Reads a key from text: 32 bytes in base64 (44 characters) or in hex (64 digits), with white space around it.
 * @param where for the message, which repeats nothing of the text
 * @throws MasterKeyError
 */
export const parseMasterKey = (text: string, where: string): MasterKey => {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return new MasterKey(Buffer.from(trimmed, 'hex'));
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) {
    const key = Buffer.from(trimmed, 'base64');
    if (key.length === KEY_BYTES) return new MasterKey(key);
  }
  throw new MasterKeyError(
    `Expected 32 bytes in base64 (44 characters) or in hex (64 digits) ${where}, got ${trimmed.length === 0 ? 'nothing' : `${trimmed.length} characters of something else`}. To make a new key: openssl rand -base64 32`,
  );
};
