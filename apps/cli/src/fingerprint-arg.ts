import { Args } from '@oclif/core';
import { UsageError } from './command-line/usage-error.ts';

/** The fingerprint of a key, whole; colons and capitals do not matter. */
export const fingerprintArg = Args.custom<string>({
  description: 'SHA-256 of its key, 64 hex digits, as the board shows it',
  required: true,
  parse: async (text) => {
    const fingerprint = text.replaceAll(':', '').toLowerCase();
    if (/^[0-9a-f]{64}$/.test(fingerprint)) return fingerprint;
    throw new UsageError(
      `Expected the whole fingerprint, 64 hex digits, got "${text}". The board shows it; see also: aviary device pending`,
    );
  },
})({ required: true });
