import { createHash } from 'node:crypto';
import { AUDIT_START, type AuditEntry, auditText } from '@aviary/protocol';
import { describe, expect, it } from 'vitest';
import { type AuditPage, verifyChain } from './audit-chain.ts';

const hashOf = (entry: Omit<AuditEntry, 'hash'>) => createHash('sha256').update(auditText(entry)).digest('hex');

const chainOf = (length: number): AuditEntry[] => {
  const entries: AuditEntry[] = [];
  for (let seq = 1; seq <= length; seq += 1) {
    const entry = {
      seq,
      at: 1e12 + seq,
      actor: 'ada',
      via: 'session' as const,
      action: 'createRollout',
      target: `rollout-${seq}`,
      detail: { release: 'meter-reader@1.1.0', über: { b: [1, 2], a: null } },
      previousHash: entries.at(-1)?.hash ?? AUDIT_START,
    };
    entries.push({ ...entry, hash: hashOf(entry) });
  }
  return entries;
};

/** As the control plane gives them: so many at a time. */
const pages =
  (entries: readonly AuditEntry[], last = entries.at(-1)?.seq ?? 0, size = 3): AuditPage =>
  async (after) => ({ items: entries.filter(({ seq }) => seq > after).slice(0, size), last });

const changed = (at: number, change: Partial<AuditEntry>) =>
  chainOf(8).map((entry) => (entry.seq === at ? { ...entry, ...change } : entry));

describe('verifyChain', () => {
  it('holds from the first entry to the newest, over all pages', async () => {
    const entries = chainOf(8);
    expect(await verifyChain(pages(entries))).toEqual({ entries: 8, head: entries[7]?.hash, broken: null });
  });

  it('holds when there is no entry yet, and when one is added while it looks', async () => {
    expect(await verifyChain(pages([]))).toEqual({ entries: 0, head: AUDIT_START, broken: null });
    const entries = chainOf(8);
    const growing: AuditPage = (after) => pages(entries, after === 0 ? 4 : 8)(after);
    expect(await verifyChain(growing)).toMatchObject({ entries: 8, broken: null });
  });

  it.each<[string, AuditEntry[], number, string]>([
    ['a changed content', changed(5, { actor: 'eve' }), 5, 'its content has the hash'],
    ['a changed detail', changed(2, { detail: { release: 'meter-reader@1.2.0' } }), 2, 'its content has the hash'],
    ['a changed hash', changed(4, { hash: 'f'.repeat(64) }), 4, 'and it says ffff'],
    ['a first entry that has one before it', changed(1, { previousHash: 'f'.repeat(64) }), 1, 'entry before it (0000'],
    ['a hole', chainOf(8).filter(({ seq }) => seq !== 6), 6, 'expected entry 6, got 7: entries are missing'],
    ['a missing beginning', chainOf(8).slice(2), 1, 'expected entry 1, got 3'],
  ])('breaks at %s', async (_, entries, seq, problem) => {
    const report = await verifyChain(pages(entries));
    expect(report).toMatchObject({ entries: seq - 1, broken: { seq, problem: expect.stringContaining(problem) } });
  });

  it('breaks where an entry was changed and its hash made to fit', async () => {
    const entries = chainOf(8).map((entry) => {
      if (entry.seq !== 3) return entry;
      const forged = { ...entry, actor: 'eve' };
      return { ...forged, hash: hashOf(forged) };
    });
    expect((await verifyChain(pages(entries))).broken?.seq).toBe(4);
  });

  it('breaks at an end that is cut off', async () => {
    expect((await verifyChain(pages(chainOf(5), 8))).broken).toEqual({
      seq: 6,
      problem: 'expected entries up to 8, and there is none after 5',
    });
  });
});
