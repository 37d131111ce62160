import { accountNameProblem, passwordProblem } from '../../session/account-fields.ts';

interface SetUpFields {
  readonly code: string;
  readonly name: string;
  readonly password: string;
  readonly again: string;
}

/** What stands in `#code=…` of the address that the control plane shows. */
export const codeOfFragment = (hash: string): string => new URLSearchParams(hash.replace(/^#/, '')).get('code') ?? '';

/** What is wrong in which field, before anything is sent; the control plane checks again. */
export const setUpProblems = (fields: SetUpFields): Readonly<Partial<Record<keyof SetUpFields, string>>> => {
  const { code, name, password, again } = fields;
  const problems = {
    code: code.trim() === '' ? 'Expected the code that the control plane showed when it was started.' : undefined,
    name: accountNameProblem(name),
    password: passwordProblem(password),
    again: again === password ? undefined : 'The two passwords are not the same.',
  };
  return Object.fromEntries(Object.entries(problems).filter(([, problem]) => problem !== undefined));
};
