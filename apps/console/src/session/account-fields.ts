export const NAME_RULE = '2 to 63 of a-z, 0-9, “.”, “_”, “@” and “-”.';
export const PASSWORD_RULE = 'At least 12 characters; a few words are good.';

const SHORTEST = 12;
const LONGEST = 256;

/** What is wrong with an account's name, as the control plane would say it; undefined: nothing. */
export const accountNameProblem = (name: string): string | undefined =>
  /^[a-z0-9][a-z0-9._@-]{1,62}$/.test(name)
    ? undefined
    : 'Expected 2 to 63 of a-z, 0-9, “.”, “_”, “@” and “-”, beginning with a letter or a number.';

/** What is wrong with a new password; undefined: nothing. */
export const passwordProblem = (password: string): string | undefined => {
  const { length } = password;
  if (length < SHORTEST) return `Expected at least ${SHORTEST} characters, got ${length}.`;
  return length > LONGEST ? `Expected at most ${LONGEST} characters, got ${length}.` : undefined;
};
