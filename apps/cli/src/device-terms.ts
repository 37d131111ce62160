import { Flags } from '@oclif/core';
import { UsageError } from './command-line/usage-error.ts';

/** What a device gets when it joins, and what it has to be. */
export const termsFlags = {
  label: Flags.string({
    char: 'l',
    description: 'a label that the device gets, key=value',
    multiple: true,
    default: [],
  }),
  profile: Flags.string({ description: 'only a board of this profile may join, e.g. rpi5' }),
};

export const nameFlag = {
  name: Flags.string({ description: 'what people call the device; else what it says itself' }),
};

interface TermsFlags {
  readonly label: readonly string[];
  readonly profile?: string | undefined;
  readonly name?: string | undefined;
}

/** @throws UsageError */
export const termsOf = ({ label, profile, name }: TermsFlags) => ({
  labels: Object.fromEntries(
    label.map((text) => {
      const at = text.indexOf('=');
      if (at <= 0) throw new UsageError(`Expected key=value for --label, got "${text}".`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  ),
  ...(profile === undefined ? {} : { profile }),
  ...(name === undefined ? {} : { name }),
});
