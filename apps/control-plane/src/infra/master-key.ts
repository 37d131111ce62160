import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readOrMakeFile } from './shared-file.ts';

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

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

  /** @throws when the value was sealed under another key or name, or was changed. */
  open(name: string, sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed);
    const decipher = createDecipheriv(ALGORITHM, this.key, bytes.subarray(0, IV_BYTES))
      .setAAD(Buffer.from(name))
      .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    } catch {
      throw new Error(
        `The secret "${name}" does not open with this master key. Was master.key replaced? Restore the one that belongs to this database.`,
      );
    }
  }
}

/** Reads `<data>/keys/master.key`, made at the first start. */
export const loadMasterKey = async (dataDirectory: string): Promise<MasterKey> => {
  const path = join(dataDirectory, 'keys', 'master.key');
  const text = await readOrMakeFile(path, () => randomBytes(32).toString('hex'));
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new Error(`Expected 64 hex digits in ${path}. Restore the file from a backup: without it no model opens.`);
  }
  return new MasterKey(Buffer.from(text, 'hex'));
};
