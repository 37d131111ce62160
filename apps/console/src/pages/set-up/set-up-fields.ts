interface SetUpFields {
  readonly code: string;
  readonly name: string;
  readonly password: string;
  readonly again: string;
}

/** What stands in `#code=…` of the address that the control plane shows. */
export const codeOfFragment = (hash: string): string => new URLSearchParams(hash.replace(/^#/, '')).get('code') ?? '';

/** What is wrong in which field, before anything is sent; the control plane checks again. */
export const setUpProblems = ({
  code,
  name,
  password,
  again,
}: SetUpFields): Partial<Record<keyof SetUpFields, string>> => ({
  ...(code.trim() === '' ? { code: 'Expected the code that the control plane showed when it was started.' } : {}),
  ...(/^[a-z0-9][a-z0-9._@-]{1,62}$/.test(name)
    ? {}
    : { name: 'Expected 2 to 63 of a-z, 0-9, “.”, “_”, “@” and “-”, beginning with a letter or a number.' }),
  ...(password.length >= 12 ? {} : { password: `Expected at least 12 characters, got ${password.length}.` }),
  ...(password.length > 256 ? { password: 'Expected at most 256 characters.' } : {}),
  ...(again === password ? {} : { again: 'The two passwords are not the same.' }),
});
