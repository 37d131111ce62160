import { decodeAgeIdentity } from '@aviary/release';
import { SealedBox } from '../state/sealed-box.ts';

/**
 * Encrypts what learning leaves on the disk, so that a card that is read elsewhere tells nothing without the device's
 * age identity.
 * @param ageIdentity `AGE-SECRET-KEY-1…` @throws AgeError `age-key-invalid`
 */
export const learningBox = (ageIdentity: string): SealedBox =>
  new SealedBox(decodeAgeIdentity(ageIdentity), 'aviary samples v1');
