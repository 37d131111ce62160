import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { AUDIT_START, type AuditEntry, auditText } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';

/** Any number that is ours. Whoever holds it writes the next entry; it is taken last, just before the commit. */
const AUDIT_LOCK = 7_245_502;

const ENTRY = `
  seq::float8 as seq, ${millisecondsOf('at')} as at, actor, via, action, target, detail,
  previous_hash as "previousHash", hash`;

/** A change that a request is about to make. */
export interface Change {
  /** Who; undefined as long as nobody knows, e.g. before a log-in. */
  readonly by?: { readonly actor: string; readonly via: AuditEntry['via'] } | undefined;
  /** The operation's name. */
  readonly action: string;
  /** What it is done to; empty when only the transaction will tell, by the `id` that it answers. */
  readonly target: string;
  readonly detail: Record<string, unknown>;
}

/** A change on its way: written by the request's first transaction, and done with when that is committed. */
interface PendingChange extends Change {
  by: Change['by'];
  state: 'open' | 'writing' | 'written' | 'closed';
}

const targetOf = (result: unknown): string => {
  if (typeof result === 'string') return result;
  if (typeof result !== 'object' || result === null || !('id' in result)) return '';
  return typeof result.id === 'string' ? result.id : '';
};

/**
 * What was changed, by whom: a row for each change, in the transaction of the change, in a chain of hashes. A
 * transaction names what it has made by answering its id, as a text or as `{id}`.
 */
export class AuditTrail {
  private readonly pending = new AsyncLocalStorage<PendingChange>();

  constructor(private readonly database: Database) {}

  start(): void {
    this.database.beforeCommit((sql, result) => this.witness(sql, result));
  }

  /** Runs `work`, which makes `change`. When it has succeeded there is an entry, whether it used a transaction or not. */
  during<T>(change: Change, work: () => Promise<T>): Promise<T> {
    const pending: PendingChange = { by: change.by, ...change, state: 'open' };
    return this.pending.run(pending, async () => {
      try {
        const result = await work();
        if (pending.state !== 'written') {
          pending.state = 'open';
          await this.database.transaction(async () => result);
        }
        return result;
      } finally {
        // Timers that the work has left behind still see it.
        pending.state = 'closed';
      }
    });
  }

  /** Says who makes the present request's change, where only the change itself shows it: at a log-in, at the set-up. */
  actAs(actor: string, via: AuditEntry['via']): void {
    const pending = this.pending.getStore();
    if (pending !== undefined) pending.by = { actor, via };
  }

  /** Entries after a number, oldest first; or the newest, newest first. */
  async list(query: { after?: number | undefined; limit: number }): Promise<{ items: AuditEntry[]; last: number }> {
    const items =
      query.after === undefined
        ? await this.database.query<AuditEntry>(`select ${ENTRY} from audit_entry order by seq desc limit $1`, [
            query.limit,
          ])
        : await this.database.query<AuditEntry>(
            `select ${ENTRY} from audit_entry where seq > $1 order by seq limit $2`,
            [query.after, query.limit],
          );
    return { items, last: (await this.last(this.database)).seq };
  }

  private async witness(sql: Sql, result: unknown): Promise<() => void> {
    const pending = this.pending.getStore();
    if (pending?.state !== 'open' || pending.by === undefined) return () => {};
    pending.state = 'writing';
    await this.append(sql, {
      ...pending.by,
      action: pending.action,
      target: pending.target || targetOf(result),
      detail: pending.detail,
    });
    return () => {
      pending.state = 'written';
    };
  }

  private async append(
    sql: Sql,
    what: Pick<AuditEntry, 'actor' | 'via' | 'action' | 'target' | 'detail'>,
  ): Promise<void> {
    await sql.query('select pg_advisory_xact_lock($1)', [AUDIT_LOCK]);
    const last = await this.last(sql);
    const entry = { ...what, seq: last.seq + 1, at: Date.now(), previousHash: last.hash };
    const hash = createHash('sha256').update(auditText(entry)).digest('hex');
    await sql.query(
      `insert into audit_entry (seq, at, actor, via, action, target, detail, previous_hash, hash)
       values ($1, to_timestamp($2::float8 / 1000), $3, $4, $5, $6, $7, $8, $9)`,
      [
        entry.seq,
        entry.at,
        entry.actor,
        entry.via,
        entry.action,
        entry.target,
        JSON.stringify(entry.detail),
        entry.previousHash,
        hash,
      ],
    );
  }

  private async last(sql: Sql): Promise<{ seq: number; hash: string }> {
    const [row] = await sql.query<{ seq: number; hash: string }>(
      'select seq::float8 as seq, hash from audit_entry order by seq desc limit 1',
    );
    return row ?? { seq: 0, hash: AUDIT_START };
  }
}
