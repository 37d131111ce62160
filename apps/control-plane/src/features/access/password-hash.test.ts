import { describe, expect, it } from 'vitest';
import { hashPassword, isOutdated, isPassword } from './password-hash.ts';

describe('a password hash', () => {
  it('is made with OWASP’s parameters and a salt of its own', async () => {
    const [first, second] = await Promise.all([hashPassword('hunter2hunter2'), hashPassword('hunter2hunter2')]);
    expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(first).not.toBe(second);
    expect(await isPassword('hunter2hunter2', first)).toBe(true);
    expect(await isPassword('hunter2hunter3', first)).toBe(false);
    expect(isOutdated(first)).toBe(false);
  });

  // From the test suite of the reference implementation, P-H-C/phc-winner-argon2, src/test.c.
  it.each([
    '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg',
  ])('of the reference implementation is understood: %s', async (hash) => {
    expect(await isPassword('password', hash)).toBe(true);
    expect(await isPassword('Password', hash)).toBe(false);
  });

  it('made with less work than today is outdated', () => {
    expect(isOutdated('$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4')).toBe(
      true,
    );
    expect(isOutdated('$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg')).toBe(
      true,
    );
  });

  it('is the same for the same letters, however a keyboard composes them', async () => {
    expect(await isPassword('cafe\u0301 long enough', await hashPassword('caf\u00e9 long enough'))).toBe(true);
  });

  it('of another kind is no answer', async () => {
    await expect(isPassword('x', '$2b$10$abcdefghijklmnopqrstuv')).rejects.toThrow('argon2id');
  });
});
