import { createHash } from 'node:crypto';
import { AUDIT_START, type AuditEntry, type adminRoutes, auditText, type Client } from '@aviary/protocol';

/** The whole trail from its beginning, oldest first; up to a thousand entries. */
export const auditEntries = async (client: Client<typeof adminRoutes>): Promise<AuditEntry[]> =>
  (await client.listAudit({ query: { after: 0, limit: 1000 } })).items;

/** The seq of the first entry that does not follow from the one before; undefined when all do. */
export const brokenAt = (chain: readonly AuditEntry[]): number | undefined => {
  let [seq, previousHash] = [0, AUDIT_START];
  for (const entry of chain) {
    const { hash, ...rest } = entry;
    seq += 1;
    const whole = createHash('sha256').update(auditText(rest)).digest('hex') === hash;
    if (!whole || entry.seq !== seq || entry.previousHash !== previousHash) return entry.seq;
    previousHash = hash;
  }
  return undefined;
};
