import { adminRoutes, type Route } from '@aviary/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setUpCode } from '../../apps/control-plane/src/features/access/set-up-code.ts';
import { auditEntries, brokenAt } from '../support/audit-chain.ts';
import { openAccount, type TestAccount } from '../support/test-account.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';
import { AUDITED_CHANGES, NEW_PASSWORD, PASSWORD, post } from './audited-changes.ts';

let plane: TestAdminPlane;
beforeAll(async () => {
  plane = await TestAdminPlane.start();
});
afterAll(() => plane.stop());

describe('every change', () => {
  let admin: TestAccount;

  it('has a step here', () => {
    const changing = Object.entries<Route>(adminRoutes)
      .filter(([, route]) => route.method !== 'GET' && route.changesNothing !== true)
      .map(([name]) => name);
    expect(Object.keys(AUDITED_CHANGES).sort()).toEqual(changing.sort());
  });

  it.each(Object.entries(AUDITED_CHANGES))('%s leaves one entry', async (action, change) => {
    if (action === 'changePassword') admin = await openAccount(plane.admin, plane.server, 'admin', 'ada');
    const before = await auditEntries(plane.admin);
    const answer = await change.act({ plane, account: admin, client: admin?.client });
    if (answer instanceof Response) expect(answer.status).toBe(201);
    const after = await auditEntries(plane.admin);
    expect(after.length - before.length).toBe(1);
    const { actor, via } = change.by ?? { actor: 'ada', via: 'session' };
    expect(after.at(-1)).toMatchObject({ actor, via, action });
    if (change.target === '') expect(after.at(-1)?.target).toBe('');
    expect(after.at(-1)?.target).toMatch(change.target);
    expect(after.at(-1)?.detail).toEqual(change.detail);
    expect(brokenAt(after)).toBeUndefined();
  });

  it('is told without secrets', async () => {
    const text = JSON.stringify(await auditEntries(plane.admin));
    for (const secret of [PASSWORD, NEW_PASSWORD, setUpCode(plane.services.adminToken), admin.password]) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toMatch(/avt_/);
  });

  it('by the admin token, or by somebody’s API token, says so', async () => {
    const { token } = await plane.admin.createToken({ body: { name: 'robot', role: 'operator' } });
    const answer = await fetch(`${plane.server}/api/v1/join-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{}',
    });
    expect(answer.status).toBe(201);
    expect((await auditEntries(plane.admin)).slice(-2)).toMatchObject([
      { actor: 'admin-token', via: 'admin-token', action: 'createToken' },
      { actor: 'robot', via: 'token', action: 'createJoinToken' },
    ]);
  });

  it('that was refused leaves none, nor does what only answers', async () => {
    const before = await auditEntries(plane.admin);
    const { admin: client } = plane;
    await expect(client.labelDevice({ params: { id: 'no-device' }, body: { name: 'x' } })).rejects.toThrow('no device');
    await expect(client.actOnRollout({ params: { id: crypto.randomUUID(), action: 'pause' } })).rejects.toThrow();
    await expect(client.createAccount({ body: { name: 'ada', role: 'viewer', password: PASSWORD } })).rejects.toThrow();
    await expect(client.createRollout({ body: { release: 'grey@1.0.0', target: 'site=nowhere' } })).rejects.toThrow();
    const [round] = (await client.listRounds({})).items;
    await expect(client.abandonRound({ params: { id: round?.id ?? '' } })).rejects.toThrow('ABANDONED');
    expect((await post(plane, '/api/v1/session', { name: 'ada', password: 'wrong' })).status).toBe(401);
    const strategy = { waves: [{ size: '100%', soak: '0s' }], deadline: '60s' };
    await client.previewRollout({ body: { release: 'grey@1.0.0', target: 'site=test', strategy, onFailure: 'pause' } });
    expect(await auditEntries(plane.admin)).toEqual(before);
  });

  it('is not made when its entry cannot be written', async () => {
    await plane.database.query(
      `alter table audit_entry add constraint refuse check (detail ->> 'name' is distinct from 'nobody') not valid`,
    );
    await expect(
      plane.admin.createAccount({ body: { name: 'nobody', role: 'viewer', password: PASSWORD } }),
    ).rejects.toThrow();
    await plane.database.query('alter table audit_entry drop constraint refuse');
    expect((await plane.admin.listAccounts({})).items.map(({ name }) => name)).not.toContain('nobody');
  });
});
