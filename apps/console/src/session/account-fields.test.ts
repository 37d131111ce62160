import { adminRoutes } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { accountNameProblem, passwordProblem } from './account-fields.ts';

const wire = adminRoutes.createAccount.body;
const PASSWORD = 'a long enough password';

describe('an account’s fields are judged as the wire does', () => {
  it.each(['ada', 'a', 'ab', 'Ada', '.ada', 'ada@example.org', 'a'.repeat(63), 'a'.repeat(64), 'ä-b', ''])(
    'name %j',
    (name) => {
      const accepted = wire?.safeParse({ name, role: 'viewer', password: PASSWORD }).success;
      expect(accountNameProblem(name) === undefined).toBe(accepted);
    },
  );

  it.each([0, 11, 12, 256, 257])('a password of %d characters', (length) => {
    const password = 'x'.repeat(length);
    const accepted = wire?.safeParse({ name: 'ada', role: 'viewer', password }).success;
    expect(passwordProblem(password) === undefined).toBe(accepted);
  });
});
