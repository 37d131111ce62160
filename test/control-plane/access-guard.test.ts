import { adminRoutes } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionCookieOf } from '../support/test-account.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

const PASSWORD = 'a long enough password';

describe('behind a proxy', () => {
  let plane: TestAdminPlane;
  beforeAll(async () => {
    plane = await TestAdminPlane.start('--public-url', 'https://fleet.example/');
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
  });
  afterAll(() => plane.stop());

  const logIn = (headers: Record<string, string>, password = PASSWORD) =>
    fetch(plane.server + adminRoutes.logIn.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ name: 'ada', password }),
    });

  it('the cookie is for TLS only when the browser came over TLS', async () => {
    const [secure = ''] = (await logIn({ 'x-forwarded-proto': 'https' })).headers.getSetCookie();
    expect(secure).toContain('; Secure');
    const [plain = ''] = (await logIn({})).headers.getSetCookie();
    expect(plain).not.toContain('Secure');
  });

  it('its own pages may change things, under the address that the proxy shows', async () => {
    expect((await logIn({ origin: 'https://fleet.example' })).status).toBe(201);
    expect((await logIn({ origin: 'https://fleet.example.evil.example' })).status).toBe(403);
  });

  it('guesses are counted for the address that the proxy names, not for those that a client makes up', async () => {
    await logIn({ 'x-forwarded-for': '192.0.2.66, 198.51.100.7' }, 'not the password');
    const subjects = await plane.database.query<{ subject: string }>(
      `select subject from log_in_attempt where subject like 'address %' and failures > 0`,
    );
    expect(subjects).toEqual([{ subject: 'address 198.51.100.7' }]);
  });
});

describe('without a proxy', () => {
  let plane: TestAdminPlane;
  beforeAll(async () => {
    plane = await TestAdminPlane.start();
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
  });
  afterAll(() => plane.stop());

  it('nobody is believed who says to be one', async () => {
    const headers = {
      'content-type': 'application/json',
      'x-forwarded-for': '192.0.2.66',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
    };
    const logIn = (more: object, password: string) =>
      fetch(plane.server + adminRoutes.logIn.path, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: JSON.stringify({ name: 'ada', password }),
      });
    await logIn({}, 'not the password');
    const subjects = await plane.database.query(`select 1 from log_in_attempt where subject like '%192.0.2.66'`);
    expect(subjects).toEqual([]);
    const answer = await logIn({}, PASSWORD);
    expect(sessionCookieOf(answer)).not.toBe('');
    expect(answer.headers.getSetCookie()[0]).not.toContain('Secure');
    expect((await logIn({ origin: 'https://evil.example' }, PASSWORD)).status).toBe(403);
  });
});
