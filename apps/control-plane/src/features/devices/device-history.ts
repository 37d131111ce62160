import type { DeviceExecution, DeviceHistoryEntry } from '@aviary/protocol';
import { FAILURE_STATES } from '@aviary/rollout';
import { type Database, millisecondsOf } from '../../infra/database.ts';
import { badRequest } from '../../infra/problem.ts';
import type { DevicesService } from './devices.service.ts';

/** An execution `e` of a rollout `r`, as the API shows it with its device. */
export const DEVICE_EXECUTION = `
  e.id, e.rollout_id as "rolloutId", r.release, e.kind, e.state, e.diverged, e.reason, e.shadow,
  case e.kind when 'install' then e.from_release else r.release end as "from",
  case e.kind when 'install' then r.release else e.from_release end as "to",
  ${millisecondsOf('e.created_at')} as "createdAt", ${millisecondsOf('e.updated_at')} as "updatedAt",
  ${millisecondsOf('e.ended_at')} as "endedAt"`;

/** Where a page went on to: exactly, so that nothing is passed over or told twice. */
interface Place {
  /** Microseconds since 1970, as PostgreSQL counts. */
  readonly micros: string | null;
  readonly source: number;
  readonly key: string;
}

const NEWEST: Place = { micros: null, source: 9, key: '' };
const CURSOR = /^(\d{1,17})\.(\d)\.([0-9a-f-]{1,36})$/;

const before = (at: string, source: number, key: string): string => `
  ${at} <= place.at and (${at}, ${source}, ${key}) < (place.at, $3::integer, $4::text)`;

// Newest first; of each source no more than a page. Numbers are filled up, so that their texts have the order of theirs.
const PAGE = `
  with place as (
    select coalesce('epoch'::timestamptz + $2::bigint * interval '1 microsecond', 'infinity') as at
  ), entry as (
    (select h.at, 1 as source, lpad(h.id::text, 20, '0') as key, h.kind, h.actor as by, h.epoch, null::text as level,
       null::text as code, null::text as message, h.release, h.digest, null::json as execution
     from device_history h, place where h.device_id = $1 and ${before('h.at', 1, `lpad(h.id::text, 20, '0')`)}
     order by h.at desc, h.id desc limit $5)
    union all
    (select e.created_at, 2, e.id::text, 'execution', null, null, null, null, null, null, null, row_to_json(shown)
     from place, execution e join rollout r on r.id = e.rollout_id cross join lateral (select ${DEVICE_EXECUTION}) as shown
     where e.device_id = $1 and ${before('e.created_at', 2, 'e.id::text')}
     order by e.created_at desc, e.id::text desc limit $5)
    union all
    (select v.at, 3, lpad(v.id::text, 20, '0'), 'event', null, null, v.level, v.code, v.message, null, null, null
     from device_event v, place where v.device_id = $1 and ${before('v.at', 3, `lpad(v.id::text, 20, '0')`)}
     order by v.at desc, v.id desc limit $5)
  )
  select *, ${millisecondsOf('entry.at')} as "atMs", (extract(epoch from entry.at) * 1000000)::bigint::text as micros
  from entry order by entry.at desc, source desc, key desc limit $5`;

interface Row {
  readonly atMs: number;
  readonly micros: string;
  readonly source: number;
  readonly key: string;
  readonly kind: DeviceHistoryEntry['kind'];
  readonly by: string | null;
  readonly epoch: number | null;
  readonly level: DeviceHistoryEntry['level'] | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly release: string | null;
  readonly digest: string | null;
  readonly execution: DeviceExecution | null;
}

const executionWords = ({ kind, from, to, state, diverged, reason }: DeviceExecution): string => {
  const what = kind === 'install' ? `${from ?? 'nothing'} → ${to}` : `back: ${from} → ${to}`;
  const why = reason === null ? '' : `: ${reason}`;
  return `${what}, ${state}${diverged ? ' (diverged)' : ''}${why}`;
};

const wordsOf = ({ kind, epoch, release, digest, code, message, execution }: Row): string => {
  switch (kind) {
    case 'joined':
      return epoch === 1 ? 'joined the fleet' : `joined again, with new keys: epoch ${epoch}`;
    case 'revoked':
      return 'was revoked';
    case 'runs':
      return release === null ? 'runs nothing' : `runs ${release}, digest ${digest?.slice(0, 12)}…`;
    case 'event':
      return `${code}: ${message}`;
    case 'execution':
      return execution === null ? '' : executionWords(execution);
  }
};

const levelOf = ({ kind, level, execution }: Row): DeviceHistoryEntry['level'] => {
  if (kind === 'event') return level ?? 'info';
  if (kind === 'revoked') return 'warning';
  const failed = execution !== null && (FAILURE_STATES as readonly string[]).includes(execution.state);
  return failed || execution?.diverged === true ? 'warning' : 'info';
};

const entryOf = (row: Row): DeviceHistoryEntry => ({
  at: row.atMs,
  kind: row.kind,
  level: levelOf(row),
  words: wordsOf(row),
  by: row.by,
  epoch: row.epoch,
  running: row.release === null || row.digest === null ? null : { release: row.release, digest: row.digest },
  execution: row.execution,
});

/** @throws ProblemError `cursor-invalid` */
const placeOf = (cursor: string | undefined): Place => {
  if (cursor === undefined) return NEWEST;
  const [, micros, source, key] = CURSOR.exec(cursor) ?? [];
  if (micros === undefined || source === undefined || key === undefined) {
    throw badRequest('cursor-invalid', 'Expected the nextCursor of a page before.');
  }
  return { micros, source: Number(source), key };
};

/** What happened to one device: what the control plane saw of it, and what it told itself. */
export class DeviceHistory {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
  ) {}

  /** Newest first. An execution is told where it began. @throws ProblemError `device-unknown`, `cursor-invalid` */
  async list(
    id: string,
    query: { cursor?: string | undefined; limit: number },
  ): Promise<{ items: DeviceHistoryEntry[]; nextCursor: string | null }> {
    await this.devices.summary(id);
    const { micros, source, key } = placeOf(query.cursor);
    const rows = await this.database.query<Row>(PAGE, [id, micros, source, key, query.limit + 1]);
    const shown = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? shown.at(-1) : undefined;
    return {
      items: shown.map(entryOf),
      nextCursor: last === undefined ? null : `${last.micros}.${last.source}.${last.key}`,
    };
  }
}
