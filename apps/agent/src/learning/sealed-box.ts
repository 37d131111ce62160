import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { decodeAgeIdentity } from '@aviary/release';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const INFO = 'aviary samples v1';

/**
 * Encrypts what learning leaves on the disk: AES-256-GCM under a key that is derived (HKDF-SHA256, RFC 5869) from the
 * device's age identity, so that a card that is read elsewhere tells nothing without that.
 */
export class SealedBox {
  readonly #key: Buffer;

  /** @param ageIdentity `AGE-SECRET-KEY-1…` @throws AgeError `age-key-invalid` */
  constructor(ageIdentity: string) {
    this.#key = Buffer.from(hkdfSync('sha256', decodeAgeIdentity(ageIdentity), Buffer.alloc(0), INFO, 32));
  }

  /**
   * @param place where it will lie: it opens nowhere else
   * @returns nonce, ciphertext, tag
   */
  seal(plain: Uint8Array, place: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(Buffer.from(place));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** Undefined when it was not sealed by this device for this place, or is damaged. */
  open(sealed: Uint8Array, place: string): Buffer | undefined {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    try {
      return Buffer.concat([
        decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)),
        decipher.final(),
      ]);
    } catch {
      return undefined;
    }
  }
}
