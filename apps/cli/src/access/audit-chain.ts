import { createHash } from 'node:crypto';
import { AUDIT_START, type AuditEntry, auditText } from '@aviary/protocol';

/** Where a chain does not hold, and why. */
export interface BrokenEntry {
  readonly seq: number;
  readonly problem: string;
}

/** What a look at the whole chain found. */
export interface ChainReport {
  /** Entries that hold, from the first on. */
  readonly entries: number;
  /** Hash of the last of them. */
  readonly head: string;
  readonly broken: BrokenEntry | null;
}

/** One page of entries in order, and the number of the newest entry. */
export type AuditPage = (after: number) => Promise<{ readonly items: readonly AuditEntry[]; readonly last: number }>;

const problemOf = (entry: AuditEntry, seq: number, previousHash: string): string | undefined => {
  if (entry.seq !== seq) return `expected entry ${seq}, got ${entry.seq}: entries are missing`;
  if (entry.previousHash !== previousHash) {
    return `expected the hash of the entry before it (${previousHash}), got ${entry.previousHash}`;
  }
  const hash = createHash('sha256').update(auditText(entry), 'utf8').digest('hex');
  return hash === entry.hash ? undefined : `its content has the hash ${hash}, and it says ${entry.hash}`;
};

/**
 * Recomputes the hash chain from its first entry to the newest, and stops where it does not hold. Whoever can rewrite all
 * of it can also make it hold: compare the head with one that was noted elsewhere.
 */
export const verifyChain = async (page: AuditPage): Promise<ChainReport> => {
  let [entries, head] = [0, AUDIT_START];
  for (;;) {
    const { items, last } = await page(entries);
    for (const entry of items) {
      const problem = problemOf(entry, entries + 1, head);
      if (problem !== undefined) return { entries, head, broken: { seq: entries + 1, problem } };
      [entries, head] = [entry.seq, entry.hash];
    }
    if (entries >= last) return { entries, head, broken: null };
    if (items.length === 0) {
      const problem = `expected entries up to ${last}, and there is none after ${entries}`;
      return { entries, head, broken: { seq: entries + 1, problem } };
    }
  }
};
