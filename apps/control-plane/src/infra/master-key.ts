import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readOrMakeFile } from './shared-file.ts';

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** A secret and the master key do not belong together, or one of them is damaged. */
export class MasterKeyError extends Error {
  readonly code = 'master-key';
}

/**
 * The key under which every secret of the control plane lies in the database: AES-256-GCM, the secret's name as
 * associated data so that one sealed value cannot stand in for another.
 */
export class MasterKey {
  constructor(private readonly key: Buffer) {}

  /** @returns iv ‖ tag ‖ ciphertext */
  seal(name: string, plaintext: Uint8Array): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.key, iv).setAAD(Buffer.from(name));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), body]);
  }

  /** @throws MasterKeyError when the value was sealed under another key or name, or was changed. */
  open(name: string, sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed);
    try {
      // The length of the tag is said, or a shorter one would do, which is easier to guess.
      const decipher = createDecipheriv(ALGORITHM, this.key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(name))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    } catch {
      throw new MasterKeyError(
        `The secret "${name}" does not open with this master key. Was master.key replaced? Restore the one that belongs to this database.`,
      );
    }
  }
}

/** Reads `<data>/keys/master.key`, made at the first start. @throws MasterKeyError */
export const loadMasterKey = async (dataDirectory: string): Promise<MasterKey> => {
  const path = join(dataDirectory, 'keys', 'master.key');
  const text = await readOrMakeFile(path, () => randomBytes(32).toString('hex'));
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new MasterKeyError(
      `Expected 64 hex digits in ${path}, got ${text.length} other characters. Restore the file from a backup: without it no model opens.`,
    );
  }
  return new MasterKey(Buffer.from(text, 'hex'));
};
