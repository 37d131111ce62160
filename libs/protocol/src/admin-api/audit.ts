import { z } from 'zod';
import { sha256Schema, timestampSchema } from '../identifiers.ts';
import { ADMINS } from '../roles.ts';
import { route } from '../route.ts';

/** One change that somebody made. Each entry carries the hash of the one before it. */
export const auditEntrySchema = z
  .object({
    seq: z.int().positive().describe('1, 2, 3, … without a hole'),
    at: timestampSchema,
    actor: z.string().describe('name of the account or the token'),
    via: z
      .enum(['session', 'token', 'admin-token', 'set-up', 'command'])
      .describe('command: a program on the control plane’s own machine, e.g. rotate-master-key'),
    action: z.string().describe('the operation’s name in the OpenAPI document, e.g. createRollout'),
    target: z.string().describe('what it was done to, e.g. a rollout’s id; empty when there is nothing to name'),
    detail: z.record(z.string(), z.unknown()).describe('what was asked for, without secrets'),
    previousHash: sha256Schema.describe('hash of the entry before; 64 zeros for the first'),
    hash: sha256Schema.describe('SHA-256 over `auditText` of this entry, in UTF-8'),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** `previousHash` of the first entry. */
export const AUDIT_START = '0'.repeat(64);

/** Keys in one order, so that the same content has the same text whoever kept it in between. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, canonical(item)]),
  );
};

/** The text whose SHA-256 is an entry's `hash`: everything in it but the hash, as JSON with sorted keys. */
export const auditText = (entry: Omit<AuditEntry, 'hash'>): string => {
  const { seq, at, actor, via, action, target, detail, previousHash } = entry;
  return JSON.stringify(canonical({ seq, at, actor, via, action, target, detail, previousHash }));
};

export const auditRoutes = {
  listAudit: route({
    method: 'GET',
    path: '/api/v1/audit',
    summary: 'Changes in order, from the oldest on, or from the newest back',
    tag: 'audit',
    access: ADMINS,
    query: z.object({
      after: z.coerce.number().int().nonnegative().optional().describe('entries with a greater seq, oldest first'),
      limit: z.coerce.number().int().min(1).max(1000).default(200),
    }),
    response: z.object({
      items: z.array(auditEntrySchema).describe('without `after`: the newest, newest first'),
      last: z.int().nonnegative().describe('seq of the newest entry; 0: there is none'),
    }),
  }),
};
