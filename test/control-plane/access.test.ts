import { createHook } from 'node:async_hooks';
import { CSRF_HEADER } from '@aviary/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setUpCode } from '../../apps/control-plane/src/features/access/set-up-code.ts';
import { openAccount, sessionCookieOf } from '../support/test-account.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

const PASSWORD = 'a long enough password';

let plane: TestAdminPlane;

beforeAll(async () => {
  plane = await TestAdminPlane.start();
});
afterAll(() => plane.stop());
beforeEach(() => plane.database.clear());

const ask = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
  fetch(plane.server + path, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

const logIn = (name: string, password: string) => ask('POST', '/api/v1/session', { name, password });

const problem = async (answer: Response) => ({ status: answer.status, ...JSON.parse(await answer.text()) });

describe('set-up', () => {
  const setUp = (name: string, code: string) => ask('POST', '/api/v1/setup', { code, name, password: PASSWORD });

  it('makes the first account, an admin, and logs it in', async () => {
    expect(await plane.admin.showSetup({})).toEqual({ needed: true });
    const answer = await setUp('ada', setUpCode(plane.services.adminToken));
    expect(answer.status).toBe(201);
    expect(await answer.clone().json()).toMatchObject({ name: 'ada', role: 'admin', via: 'session' });
    expect(await plane.admin.showSetup({})).toEqual({ needed: false });
    const session = await ask('GET', '/api/v1/session', undefined, { cookie: sessionCookieOf(answer) });
    expect(await session.json()).toMatchObject({ name: 'ada', role: 'admin' });
  });

  it('takes the code as somebody copies it by hand', async () => {
    const copied = setUpCode(plane.services.adminToken).toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o');
    expect((await setUp('ada', copied)).status).toBe(201);
  });

  it('wants the code that was shown', async () => {
    expect(await problem(await setUp('ada', 'AAAA-AAAA-AAAA-AAAA'))).toMatchObject({
      status: 403,
      code: 'set-up-code-wrong',
    });
    expect(await plane.admin.showSetup({})).toEqual({ needed: true });
  });

  it('is over once there is an account, and of two at once one wins', async () => {
    const code = setUpCode(plane.services.adminToken);
    const answers = await Promise.all(['ada', 'eve', 'mallory', 'trent'].map((name) => setUp(name, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    expect((await plane.admin.listAccounts({})).items).toHaveLength(1);
    expect(await problem(await setUp('ada', code))).toMatchObject({ status: 409, code: 'set-up-done' });
  });
});

describe('sessions', () => {
  it('the cookie is the browser’s alone, and the database keeps only its hash', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    const answer = await logIn('Ada', PASSWORD);
    const [line = ''] = answer.headers.getSetCookie();
    expect(line).toMatch(/^aviary_session=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/);
    const secret = sessionCookieOf(answer).split('=')[1] ?? '';
    const rows = await plane.database.query<Record<string, unknown>>('select * from session');
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(secret).toString('hex'));
  });

  it.each([
    ['12 hours without use', `last_seen_at = now() - interval '12 hours 1 second'`],
    ['7 days, however much used', `expires_at = now() - interval '1 second'`],
  ])('ends after %s', async (_, change) => {
    const ada = await openAccount(plane.admin, plane.server, 'viewer');
    await plane.database.query(`update session set ${change}`);
    await expect(ada.client.showSession({})).rejects.toMatchObject({
      code: 'not-authorized',
      message: expect.stringContaining('Log in again'),
    });
  });

  it('lasts longer when it is used', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'viewer');
    await plane.database.query(`update session set last_seen_at = now() - interval '11 hours'`);
    await ada.client.showSession({});
    await ada.client.showSession({});
    const { expiresAt } = await ada.client.showSession({});
    expect(expiresAt).toBeGreaterThan(Date.now() + 11.9 * 3600_000);
  });

  it('ends at a log-out', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'viewer');
    await ada.client.logOut({});
    await expect(ada.client.showSession({})).rejects.toMatchObject({ code: 'not-authorized' });
  });

  it('changes need the CSRF token, and a page of this server', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'admin');
    const body = { name: 'eve', role: 'viewer', password: PASSWORD };
    const create = (headers: Record<string, string>) =>
      ask('POST', '/api/v1/accounts', body, { cookie: ada.cookie, ...headers });
    expect(await problem(await create({}))).toMatchObject({ status: 403, code: 'csrf-missing' });
    expect(await problem(await create({ [CSRF_HEADER]: 'x'.repeat(43) }))).toMatchObject({ code: 'csrf-missing' });
    const foreign = { [CSRF_HEADER]: ada.csrfToken, origin: 'https://evil.example' };
    expect(await problem(await create(foreign))).toMatchObject({ status: 403, code: 'origin-foreign' });
    expect(await problem(await create({ ...foreign, origin: 'null' }))).toMatchObject({ code: 'origin-foreign' });
    expect((await plane.admin.listAccounts({})).items).toHaveLength(1);
    expect((await create({ [CSRF_HEADER]: ada.csrfToken, origin: plane.server })).status).toBe(201);
  });

  it('nobody logs a browser in from a foreign page', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    const given = { name: 'ada', password: PASSWORD };
    const answer = await ask('POST', '/api/v1/session', given, { origin: 'https://evil.example' });
    expect(await problem(answer)).toMatchObject({ status: 403, code: 'origin-foreign' });
  });

  it('the others end when the password is changed, and the old password is worth nothing', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'operator');
    const elsewhere = sessionCookieOf(await logIn(ada.name, ada.password));
    await expect(
      ada.client.changePassword({ body: { current: 'not it', next: 'another long password' } }),
    ).rejects.toMatchObject({ code: 'password-wrong' });
    await ada.client.changePassword({ body: { current: ada.password, next: 'another long password' } });
    expect((await ask('GET', '/api/v1/session', undefined, { cookie: elsewhere })).status).toBe(401);
    expect(await ada.client.showSession({})).toMatchObject({ name: ada.name });
    expect((await logIn(ada.name, ada.password)).status).toBe(401);
    expect((await logIn(ada.name, 'another long password')).status).toBe(201);
  });

  it.each([{ role: 'viewer' }, { password: 'another long password' }, { disabled: true }] as const)(
    'end when an admin changes %o',
    async (body) => {
      await openAccount(plane.admin, plane.server, 'admin', 'the-other-admin');
      const ada = await openAccount(plane.admin, plane.server, 'operator');
      await plane.admin.changeAccount({ params: { id: ada.id }, body });
      await expect(ada.client.showSession({})).rejects.toMatchObject({ code: 'not-authorized' });
    },
  );
});

describe('log-in', () => {
  it('says the same for an unknown name and for a wrong password', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    const [unknown, wrong] = await Promise.all([logIn('nobody', PASSWORD), logIn('ada', 'not the password')]);
    expect(await problem(unknown)).toEqual(await problem(wrong));
    expect(wrong.status).toBe(401);
  });

  it('takes as much work for an unknown name as for a wrong password', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    // Makes what unknown names are compared with, once.
    await logIn('nobody', PASSWORD);
    const hashes = async (name: string) => {
      let count = 0;
      const hook = createHook({
        init: (_id, type) => {
          if (type === 'ARGON2REQUEST') count += 1;
        },
      }).enable();
      await logIn(name, 'not the password');
      hook.disable();
      return count;
    };
    expect([await hashes('somebody'), await hashes('ada')]).toEqual([1, 1]);
  });

  it('tells who knows the password that the account is disabled, and nobody else', async () => {
    await openAccount(plane.admin, plane.server, 'admin');
    const { id } = await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    await plane.admin.changeAccount({ params: { id }, body: { disabled: true } });
    expect(await problem(await logIn('ada', 'not the password'))).toMatchObject({ code: 'log-in-failed' });
    expect(await problem(await logIn('ada', PASSWORD))).toMatchObject({ status: 403, code: 'account-disabled' });
  });

  it('five failures are free, then it waits, twice as long each time, even for the right password', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    const waits: (number | null)[] = [];
    for (let failures = 1; failures <= 8; failures += 1) {
      expect((await logIn('ada', `wrong ${failures}`)).status).toBe(401);
      const [row] = await plane.database.query<{ wait: number | null }>(
        `select case when isfinite(free_at) then round(extract(epoch from free_at - last_at))::float8 end as wait
         from log_in_attempt where subject = 'account ada'`,
      );
      waits.push(row?.wait ?? null);
      await plane.database.query(`update log_in_attempt set free_at = '-infinity'`);
    }
    expect(waits).toEqual([null, null, null, null, null, 1, 2, 4]);
    await plane.database.query(`update log_in_attempt set failures = 12`);
    // All at once: each is counted before its password is looked at.
    const answers = await Promise.all(Array.from({ length: 5 }, () => logIn('ada', 'wrong again')));
    expect(answers.map(({ status }) => status).sort()).toEqual([401, 429, 429, 429, 429]);
    const refused = await logIn('ada', PASSWORD);
    expect(await problem(refused)).toMatchObject({ status: 429, code: 'too-many-failures' });
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(128);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1);
    await plane.database.query(`update log_in_attempt set free_at = '-infinity'`);
    expect((await logIn('ada', PASSWORD)).status).toBe(201);
    expect(await plane.database.query(`select 1 from log_in_attempt where subject = 'account ada'`)).toEqual([]);
  });

  it('an address that tries many names is slowed down as well, up to 15 minutes', async () => {
    await plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } });
    await logIn('nobody', PASSWORD);
    await plane.database.query(`update log_in_attempt set failures = 60 where subject like 'address %'`);
    await logIn('somebody', PASSWORD);
    const refused = await logIn('ada', PASSWORD);
    expect(await problem(refused)).toMatchObject({ status: 429, detail: expect.stringContaining('address') });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(900);
  });
});

describe('accounts', () => {
  it('names are one of a kind, and the last admin stays', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'admin', 'ada');
    await expect(
      plane.admin.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } }),
    ).rejects.toMatchObject({ code: 'account-exists' });
    for (const body of [{ disabled: true }, { role: 'viewer' } as const]) {
      await expect(plane.admin.changeAccount({ params: { id: ada.id }, body })).rejects.toMatchObject({
        code: 'last-admin',
      });
    }
    // Nothing half done: she is still logged in.
    expect(await ada.client.showSession({})).toMatchObject({ role: 'admin' });
    await expect(plane.admin.changeAccount({ params: { id: ada.id }, body: {} })).rejects.toMatchObject({
      code: 'change-missing',
    });
  });
});
