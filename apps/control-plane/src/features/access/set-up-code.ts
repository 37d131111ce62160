import { createHmac, timingSafeEqual } from 'node:crypto';

/** Crockford's base32: no letter that looks like a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUPS = 4;
const GROUP_LENGTH = 4;

/**
 * The code that the first visitor shows, e.g. `7M2K-…` (80 bits): whoever can read `admin.token`, or what the control
 * plane said when it was started, may make the first account. It follows from the admin token, so nothing is stored.
 */
export const setUpCode = (adminToken: string): string => {
  const mac = createHmac('sha256', adminToken).update('aviary set-up code').digest();
  const number = (mac.readBigUInt64BE(0) << 64n) | mac.readBigUInt64BE(8);
  const digits = Array.from({ length: GROUPS * GROUP_LENGTH }, (_, index) => {
    const digit = Number((number >> BigInt(123 - 5 * index)) & 31n);
    return ALPHABET[digit] ?? '';
  }).join('');
  return Array.from({ length: GROUPS }, (_, group) =>
    digits.slice(group * GROUP_LENGTH, (group + 1) * GROUP_LENGTH),
  ).join('-');
};

/** Where a browser makes the first account. The code is behind the #, which browsers send to nobody. */
export const setUpAddress = (consoleUrl: string, adminToken: string): string =>
  `${consoleUrl}/setup#code=${setUpCode(adminToken)}`;

/** As somebody copies it by hand: small letters, other or no dashes, O for 0, I or L for 1. */
const read = (code: string): string =>
  code.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');

/** Whether `given` is the set-up code of this admin token; takes as long for a near miss as for a far one. */
export const isSetUpCode = (given: string, adminToken: string): boolean => {
  const [wanted, got] = [Buffer.from(read(setUpCode(adminToken))), Buffer.from(read(given))];
  return wanted.length === got.length && timingSafeEqual(wanted, got);
};
