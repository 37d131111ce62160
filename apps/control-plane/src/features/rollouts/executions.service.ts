import type { ExecutionRecord } from '@aviary/protocol';
import {
  applyExecutionReport,
  type ExecutionState,
  FAILURE_STATES,
  isEndedExecution,
  type RolloutMode,
  type RolloutState,
  retryAfter,
} from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import type { DirectorService } from '../director/director.service.ts';

interface ReportedExecution {
  readonly state: ExecutionState;
  readonly kind: 'install' | 'rollback';
  readonly expected: string | null;
  readonly failedTries: number;
  readonly retries: number;
  readonly rolloutState: RolloutState;
  readonly mode: RolloutMode;
}

// The digest that has to be running: of the rollout's release, or, for a device that is brought back, of the one before.
const LOAD = `
  select e.state, e.kind, v.plaintext_sha256 as expected, e.failed_tries as "failedTries", r.state as "rolloutState",
    coalesce((r.spec #>> '{strategy,retries}')::integer, 0) as retries,
    coalesce(r.spec #>> '{strategy,mode}', 'forced') as mode
  from execution e
  join rollout r on r.id = e.rollout_id
  left join variant v on v.id = e.variant
    and v.release = case e.kind when 'install' then r.release else e.from_release end
  where e.id = $1 and e.device_id = $2
  for update of e`;

// What it did before it was tried is compared with what it does after: two releases at once are neither.
const MOVE = `
  update execution set state = $2, reason_code = $3, reason = $4, updated_at = now(),
    ended_at = case when $5 then now() end, shadow = coalesce($7::jsonb, shadow),
    tried_at = case when $2 = 'INSTALLING' then coalesce(tried_at, to_timestamp($6::float8 / 1000)) else tried_at end,
    switched_at = case when $2 in ('PROBATION', 'SUCCEEDED') then coalesce(switched_at, to_timestamp($6::float8 / 1000))
      else switched_at end
  where id = $1`;

// It has come no further, and says why, or that it goes on.
const EXPLAIN = `
  update execution set reason_code = $2, reason = $3, shadow = coalesce($4::jsonb, shadow), updated_at = now()
  where id = $1 and ((reason_code, reason) is distinct from ($2, $3) or coalesce($4::jsonb, shadow) is distinct from shadow)`;

// Under a new id: what the device still says of the try that has failed moves nothing.
const TRY_AGAIN = `
  update execution set id = gen_random_uuid(), state = 'QUEUED', failed_tries = failed_tries + 1,
    not_before = now() + make_interval(secs => $2), deadline_at = null, tried_at = null, reason_code = $3,
    shadow = coalesce($5::jsonb, shadow),
    reason = 'try ' || failed_tries + 1 || ' failed: ' || coalesce($4, $3, 'no reason given'), updated_at = now()
  where id = $1`;

const UNDER_WAY: readonly RolloutState[] = ['RUNNING', 'PAUSED'];

// Success that did not last: the device confirmed the release of a rollout that goes on, and now runs another. Where
// another rollout has decided about it since, that is right.
const DIVERGE = `
  update execution e set diverged = r.release is distinct from $2
  from rollout r, assignment a
  where r.id = e.rollout_id and a.device_id = e.device_id and (r.release = $2 or a.rollout_id = r.id)
    and e.device_id = $1 and e.kind = 'install' and e.state in ('SUCCEEDED', 'ALREADY_INSTALLED')
    and r.state in ('RUNNING', 'PAUSED') and coalesce(r.spec #>> '{strategy,mode}', '') <> 'download-only'
    and e.diverged <> (r.release is distinct from $2)`;

/** Silent devices ended in one transaction. */
const EXPIRED_AT_ONCE = 500;

// Whatever another conductor ends at this moment, or a report moves, is passed over.
const EXPIRE = `
  with overdue as (
    select id from execution where ended_at is null and deadline_at < now()
    order by deadline_at limit ${EXPIRED_AT_ONCE} for update skip locked
  )
  update execution e set state = 'TIMED_OUT', reason_code = 'deadline', ended_at = now(), updated_at = now(),
    reason = case when state = 'QUEUED' then coalesce(reason, 'was not told') || '; its deadline has passed'
      else 'said nothing final before its deadline (last state: ' || state || coalesce(', ' || reason, '') || ')' end
  from overdue where e.id = overdue.id
  returning e.id, e.kind`;

// Nobody waits for a device that is refused; it says nothing about the release either.
const REMOVE = `
  update execution e set state = 'REMOVED', reason_code = 'device-revoked', reason = 'the device was revoked',
    ended_at = now(), updated_at = now()
  from device d
  where d.id = e.device_id and d.revoked_at is not null and e.ended_at is null and ($1::text is null or d.id = $1)
    and d.revoked_at >= coalesce(now() - make_interval(secs => $2), '-infinity')
  returning e.id, e.kind`;

interface EndedExecution {
  readonly id: string;
  readonly kind: 'install' | 'rollback';
}

/** What did not come so far as to serve may have better luck; what has served and did not hold has not. */
const triesAgain = ({ kind, failedTries, retries, rolloutState }: ReportedExecution): boolean =>
  kind === 'install' && failedTries < retries && UNDER_WAY.includes(rolloutState);

/** Each device's part in a rollout: moved by what devices report, and by their deadlines. */
export class ExecutionsService {
  constructor(private readonly director: DirectorService) {}

  /** A device's word about its execution, in the caller's transaction. What does not fit changes nothing. */
  async report(sql: Sql, deviceId: string, record: ExecutionRecord): Promise<void> {
    const [execution] = await sql.query<ReportedExecution>(LOAD, [record.executionId, deviceId]);
    if (execution === undefined) return;
    const outcome = applyExecutionReport(execution.state, record.state, {
      running: record.digest,
      expected: execution.expected ?? undefined,
      onlyFetches: execution.mode === 'download-only' && execution.kind === 'install',
    });
    const reason = [record.reason?.code ?? null, record.reason?.message ?? null] as const;
    const shadow = record.shadow === undefined ? null : JSON.stringify(record.shadow);
    if ('ignored' in outcome) {
      if (outcome.ignored === 'unchanged') await sql.query(EXPLAIN, [record.executionId, ...reason, shadow]);
      return;
    }
    const { moved } = outcome;
    if (moved === 'FAILED' && triesAgain(execution)) {
      await this.director.revert(sql, [record.executionId]);
      const wait = retryAfter(execution.failedTries + 1, Math.random());
      await sql.query(TRY_AGAIN, [record.executionId, wait, ...reason, shadow]);
      return;
    }
    await sql.query(MOVE, [record.executionId, moved, ...reason, isEndedExecution(moved), record.at, shadow]);
    // What is only fetched is not what the device is to run: a board that takes its place has to find what that is.
    if (moved === 'STAGED' || (FAILURE_STATES as readonly ExecutionState[]).includes(moved)) {
      await this.director.revert(sql, [record.executionId]);
    }
  }

  /** A device said what it runs now. */
  async noticeRunning(sql: Sql, deviceId: string, release: string | null): Promise<void> {
    await sql.query(DIVERGE, [deviceId, release]);
  }

  /**
   * Ends what has passed its deadline: silent devices count, and hold nobody up.
   * @returns whether there may be more
   */
  async expire(sql: Sql): Promise<boolean> {
    const ended = await sql.query<EndedExecution>(EXPIRE);
    await this.revertInstalls(sql, ended);
    return ended.length === EXPIRED_AT_ONCE;
  }

  /**
   * Ends what revoked devices have open.
   * @param which only of this device, or only of those revoked within so many seconds; of all of them, where a wave has
   *   begun while a device was being revoked
   */
  async removeRevoked(
    sql: Sql,
    which: { readonly deviceId?: string | undefined; readonly since?: number | undefined },
  ): Promise<void> {
    const ended = await sql.query<EndedExecution>(REMOVE, [which.deviceId ?? null, which.since ?? null]);
    await this.revertInstalls(sql, ended);
  }

  private async revertInstalls(sql: Sql, ended: readonly EndedExecution[]): Promise<void> {
    // A device that is being brought back stays assigned to what it should go back to, whenever it wakes up.
    const installs = ended.filter(({ kind }) => kind === 'install').map(({ id }) => id);
    if (installs.length > 0) await this.director.revert(sql, installs);
  }
}
