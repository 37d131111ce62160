import type { ChangeEvent } from '@aviary/protocol';
import type { Sql } from '../../infra/database.ts';
import { type ChangePosition, isAfter } from './change-position.ts';

const KEPT = '1 hour';
/** Rows looked at in one pruning; with one each minute it keeps up with hundreds of changes a second. */
const MOST_PRUNED = 50_000;
/** Rows in one reading. */
const PAGE = 500;

// Numbers are given out before transactions end, so that a later one may be seen first. What is older than every
// transaction under way cannot get company any more: up to there the order is final.
const AFTER = `
  select c.transaction_id::text as "transactionId", c.id::text as id, c.topic, c.ids
  from change_event c
  where (c.transaction_id, c.id) > ($1::xid8, $2::bigint)
    and c.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
  order by c.transaction_id, c.id limit ${PAGE}`;

const STANDING = `
  select pg_snapshot_xmin(pg_current_snapshot())::text as settled,
    (select transaction_id::text from change_horizon) as horizon`;

// A restored database may hold changes of a counter that was further.
const FORGET_FUTURE = [
  'delete from change_event where transaction_id >= pg_snapshot_xmax(pg_current_snapshot())',
  'delete from change_horizon where transaction_id >= pg_snapshot_xmax(pg_current_snapshot())',
];

// Whole transactions, oldest first, so that one number says what is gone.
const PRUNE = `
  with oldest as (
    select transaction_id, at from change_event order by transaction_id, id limit ${MOST_PRUNED}
  ), gone as (
    select max(transaction_id) as until from oldest where at < now() - interval '${KEPT}'
  ), said as (
    insert into change_horizon (transaction_id) select until from gone where until is not null
    on conflict (the_one) do update set transaction_id = greatest(change_horizon.transaction_id, excluded.transaction_id)
  )
  delete from change_event where transaction_id <= (select until from gone)`;

/** A change with its place. */
export interface Change extends ChangeEvent {
  readonly position: ChangePosition;
}

/** Changes in their final order, and how far they reach: everything up to `position` has been told. */
export interface ChangePage {
  readonly changes: readonly Change[];
  readonly position: ChangePosition;
  /** Whether there is more at once. */
  readonly more: boolean;
}

interface ChangeRow extends ChangeEvent {
  readonly transactionId: string;
  readonly id: string;
}

/** The changes that triggers have written, in an order that stays as it is once it was read. */
export class ChangeLog {
  constructor(private readonly database: Sql) {}

  /** Where the log ends now: what a page reads from the database from here on holds everything before it. */
  async end(): Promise<ChangePosition> {
    return { transactionId: (await this.standing()).settled, id: 0n };
  }

  /** Whether nothing that came after `position` has been let go, and it is of this database. */
  async reachesBackTo(position: ChangePosition): Promise<boolean> {
    const { settled, horizon } = await this.standing();
    return position.transactionId > horizon && !isAfter(position, { transactionId: settled, id: 0n });
  }

  /** What came after `position`. */
  async after(position: ChangePosition): Promise<ChangePage> {
    // Read before the changes: what ends in between is then told next time, and not left out.
    const end = await this.end();
    const rows = await this.database.query<ChangeRow>(AFTER, [String(position.transactionId), String(position.id)]);
    const changes = rows.map(({ transactionId, id, topic, ids }) => ({
      topic,
      ids,
      position: { transactionId: BigInt(transactionId), id: BigInt(id) },
    }));
    const last = changes.at(-1)?.position ?? position;
    const more = rows.length === PAGE;
    return { changes, position: !more && isAfter(end, last) ? end : last, more };
  }

  /** Lets go what is older than an hour. */
  async prune(): Promise<void> {
    for (const statement of FORGET_FUTURE) await this.database.query(statement);
    await this.database.query(PRUNE);
  }

  private async standing(): Promise<{ settled: bigint; horizon: bigint }> {
    const [row] = await this.database.query<{ settled: string; horizon: string | null }>(STANDING);
    if (row === undefined) throw new Error('a query without a condition answers one row');
    return { settled: BigInt(row.settled), horizon: BigInt(row.horizon ?? 0) };
  }
}
