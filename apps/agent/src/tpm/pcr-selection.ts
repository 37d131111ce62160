import { PcrSelectionError } from './tpm-error.ts';

const MOST = 23;
const SELECTION = /^(sha1|sha256|sha384|sha512):(\d{1,2}(?:,\d{1,2})*)$/;

const numbersOf = (selection: string): number[] => SELECTION.exec(selection)?.[2]?.split(',').map(Number) ?? [];

/** @returns whether this names PCRs of one bank, e.g. `sha256:7` or `sha256:0,7` */
export const isPcrSelection = (text: string): boolean => {
  const numbers = numbersOf(text);
  return numbers.length > 0 && new Set(numbers).size === numbers.length && numbers.every((number) => number <= MOST);
};

/**
 * A TPM takes a policy over PCRs that it does not have, and then binds to nothing; and one over PCRs into which nothing
 * was measured, which any board fulfils.
 * @param read what `tpm2_pcrread` has printed: a line `N : 0xHEX` per PCR
 * @throws PcrSelectionError naming the first that cannot be sealed to
 */
export const checkPcrs = (selection: string, read: string): void => {
  const values = new Map(
    [...read.matchAll(/^\s*(\d+)\s*:\s*0x([0-9A-Fa-f]+)\s*$/gm)].map(([, number, value]) => [Number(number), value]),
  );
  for (const number of numbersOf(selection)) {
    const value = values.get(number);
    const [bank] = selection.split(':');
    if (value === undefined) {
      const words = `Expected PCRs that the TPM has in --tpm-pcrs, got ${selection}: there is no PCR ${number} in its bank ${bank}. See: tpm2_pcrread`;
      throw new PcrSelectionError(words);
    }
    if (/^(0+|f+)$/i.test(value)) {
      const words = `Expected PCRs that the firmware measures into in --tpm-pcrs, got ${selection}: PCR ${number} has never been written, so any board has it like this. See: tpm2_pcrread ${bank}`;
      throw new PcrSelectionError(words);
    }
  }
};
