import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditEntries, brokenAt } from '../support/audit-chain.ts';
import { TestAdminPlane } from '../support/test-admin-plane.ts';

let plane: TestAdminPlane;
beforeAll(async () => {
  plane = await TestAdminPlane.start();
});
afterAll(() => plane.stop());

describe('the chain of the audit trail', () => {
  it('has no hole and no fork when many write at once', async () => {
    const before = (await auditEntries(plane.admin)).length;
    await Promise.all(Array.from({ length: 40 }, () => plane.admin.createJoinToken({ body: {} })));
    const after = await auditEntries(plane.admin);
    expect(after.length - before).toBe(40);
    expect(brokenAt(after)).toBeUndefined();
  });

  it('is read in pages, from the oldest or from the newest', async () => {
    const all = await auditEntries(plane.admin);
    const { items, last } = await plane.admin.listAudit({ query: { limit: 2 } });
    expect(last).toBe(all.length);
    expect(items).toEqual(all.slice(-2).reverse());
    expect((await plane.admin.listAudit({ query: { after: 3, limit: 2 } })).items).toEqual(all.slice(3, 5));
  });

  it('survives the database, whatever was asked for', async () => {
    const { audit, database } = plane.services;
    const by = { actor: 'ada', via: 'session' } as const;
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (value) => {
        const detail = JSON.parse(JSON.stringify({ value }).replaceAll('\\u0000', ''));
        await audit.during({ by, action: 'test', target: '', detail }, () => database.transaction(async () => {}));
      }),
      { numRuns: 40 },
    );
    expect(brokenAt(await auditEntries(plane.admin))).toBeUndefined();
  });

  it('cannot be changed by accident, and shows who did it on purpose', async () => {
    const change = `update audit_entry set actor = 'somebody else' where seq = 5`;
    await expect(plane.database.query(change)).rejects.toThrow('UPDATE is refused');
    await expect(plane.database.query('delete from audit_entry where seq = 5')).rejects.toThrow('DELETE is refused');
    await plane.database.query('alter table audit_entry disable trigger audit_entry_kept');
    await plane.database.query(change);
    expect(brokenAt(await auditEntries(plane.admin))).toBe(5);
    await plane.database.query('delete from audit_entry where seq = 5');
    expect(brokenAt(await auditEntries(plane.admin))).toBe(6);
  });
});
