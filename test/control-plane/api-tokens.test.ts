import { adminRoutes, createClient } from '@aviary/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openAccount } from '../support/test-account.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

const DAY_S = 86_400;

let plane: TestAdminPlane;
beforeAll(async () => {
  plane = await TestAdminPlane.start();
});
afterAll(() => plane.stop());
beforeEach(() => plane.database.clear());

const withToken = (token: string) =>
  createClient(adminRoutes, { baseUrl: plane.server, fetch, headers: { authorization: `Bearer ${token}` } });

describe('API tokens', () => {
  it('do what their role may, and are kept as a hash', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'operator');
    const made = await ada.client.createToken({ body: { name: 'ci', role: 'operator' } });
    expect(made.token).toMatch(/^avt_[\w-]{43}$/);
    expect(await withToken(made.token).showSession({})).toMatchObject({
      name: ada.name,
      role: 'operator',
      via: 'token',
      csrfToken: null,
      expiresAt: made.expiresAt,
    });
    // No cookie, no CSRF: a program says who it is in each request.
    await withToken(made.token).createJoinToken({ body: {} });
    await expect(withToken(made.token).listAccounts({})).rejects.toMatchObject({
      code: 'role-missing',
      message: expect.stringMatching(/admin.*operator/),
    });
    const [row] = await plane.database.query<{ secret_hash: Buffer }>('select * from api_token');
    expect(row?.secret_hash).toHaveLength(32);
    expect(JSON.stringify(row)).not.toContain(made.token.slice(4));
    expect((await ada.client.listTokens({})).items[0]?.lastUsedAt).toBeGreaterThan(Date.now() - 60_000);
  });

  it('nobody gives more than they have', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'operator');
    for (const role of ['admin', 'publisher'] as const) {
      await expect(ada.client.createToken({ body: { name: 'x', role } })).rejects.toMatchObject({
        code: 'role-exceeded',
      });
    }
    const { token } = await ada.client.createToken({ body: { name: 'x', role: 'viewer', ttlSeconds: 3600 } });
    const viewer = withToken(token);
    await expect(viewer.createToken({ body: { name: 'y', role: 'operator' } })).rejects.toMatchObject({
      code: 'role-exceeded',
    });
    await expect(viewer.createToken({ body: { name: 'y', role: 'viewer', ttlSeconds: DAY_S } })).rejects.toMatchObject({
      code: 'token-outlives-token',
    });
  });

  it('never do more than their account may today, and nothing when it is disabled', async () => {
    await openAccount(plane.admin, plane.server, 'admin', 'the-other-admin');
    const ada = await openAccount(plane.admin, plane.server, 'admin');
    const { token } = await ada.client.createToken({ body: { name: 'x', role: 'admin' } });
    const roleAs = async (body: { role?: 'operator' | 'publisher' | 'admin'; disabled?: boolean }) => {
      await plane.admin.changeAccount({ params: { id: ada.id }, body });
      return (await withToken(token).showSession({})).role;
    };
    expect(await roleAs({ role: 'operator' })).toBe('operator');
    await expect(roleAs({ disabled: true })).rejects.toMatchObject({ code: 'not-authorized' });
    expect(await roleAs({ disabled: false, role: 'admin' })).toBe('admin');
    await plane.database.query(`update api_token set role = 'operator'`);
    expect(await roleAs({ role: 'publisher' })).toBe('viewer');
  });

  it('end with their time, and when they are revoked', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'viewer');
    const [first, second] = await Promise.all(
      ['a', 'b'].map((name) => ada.client.createToken({ body: { name, role: 'viewer' } })),
    );
    if (first === undefined || second === undefined) throw new Error('two tokens were made');
    await plane.database.query(`update api_token set expires_at = now() where name = 'a'`);
    await expect(withToken(first.token).showSession({})).rejects.toMatchObject({ code: 'not-authorized' });
    await ada.client.revokeToken({ params: { id: second.id } });
    await expect(withToken(second.token).showSession({})).rejects.toMatchObject({ code: 'not-authorized' });
  });

  it('are one’s own: others see and revoke them only as admins', async () => {
    const ada = await openAccount(plane.admin, plane.server, 'viewer', 'ada');
    const eve = await openAccount(plane.admin, plane.server, 'operator', 'eve');
    const { id } = await ada.client.createToken({ body: { name: 'x', role: 'viewer' } });
    const nobodys = await plane.admin.createToken({ body: { name: 'nobody’s', role: 'viewer' } });
    expect((await eve.client.listTokens({})).items).toEqual([]);
    await expect(eve.client.revokeToken({ params: { id } })).rejects.toMatchObject({ code: 'token-unknown' });
    await expect(eve.client.revokeToken({ params: { id: nobodys.id } })).rejects.toMatchObject({
      code: 'token-unknown',
    });
    expect((await plane.admin.listTokens({})).items.map(({ account }) => account).sort()).toEqual(['ada', null]);
    await plane.admin.revokeToken({ params: { id } });
    expect((await ada.client.listTokens({})).items).toEqual([]);
  });
});
