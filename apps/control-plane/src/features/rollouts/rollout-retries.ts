import type { RolloutRetry } from '@aviary/protocol';
import { CommandRefusedError, type ExecutionState, tryAgain } from '@aviary/rollout';
import type { Database, Sql } from '../../infra/database.ts';
import { conflict } from '../../infra/problem.ts';
import type { DecisionsApplier } from './decisions-applier.ts';
import { loadSnapshot } from './rollout-snapshot.ts';
import { rolloutViews } from './rollout-views.ts';
import { unknownRollout } from './rollouts.service.ts';

/** Executions in one request: short enough for whoever waits for the rollout's lock. */
const AT_ONCE = 2_000;
/** Devices that a refusal names. */
const NAMED = 5;

/** What may have better luck, beside those that succeeded and then ran something else … */
const RETRIED: readonly ExecutionState[] = ['FAILED', 'TIMED_OUT', 'CANCELED'];
/** … and what has not by itself: somebody has to mean this very device. */
const RETRIED_BY_NAME: readonly ExecutionState[] = [...RETRIED, 'REJECTED', 'ROLLED_BACK'];

// Why a device gets no new try; null where it gets one.
const OBSTACLE = `
  case
    when d.revoked_at is not null then 'was revoked'
    when e.ended_at is null then 'is under way here (' || e.state || ')'
    when e.state <> all ($2) and not e.diverged then 'has ended here as ' || e.state
    when e.reason_code = 'superseded' then 'was left to another rollout: ' || e.reason
    when exists (select 1 from execution o where o.device_id = e.device_id and o.ended_at is null)
      then 'is under way in another rollout'
    when exists (select 1 from assignment a join rollout o on o.id = a.rollout_id
        where a.device_id = e.device_id and o.created_at > r.created_at)
      then 'was decided about by a later rollout'
    when exists (select 1 from assignment a join rollout o on o.id = a.rollout_id
        where a.device_id = e.device_id and o.id <> r.id and o.ended_at is null and o.priority > r.priority)
      then 'was left to a rollout of a higher priority'
  end`;

const OF_DEVICES = `
  select named.id, case when e.id is null then 'has no part in this rollout' else ${OBSTACLE} end as obstacle
  from unnest($3::text[]) as named (id)
  left join (execution e join rollout r on r.id = e.rollout_id join device d on d.id = e.device_id)
    on e.device_id = named.id and e.rollout_id = $1 and e.kind = 'install'
  order by named.id`;

// Under a new id, as each try has: what the device still says of the one before moves nothing.
const TRY_AGAIN = `
  with chosen as (
    select e.id from execution e join rollout r on r.id = e.rollout_id join device d on d.id = e.device_id
    where e.rollout_id = $1 and e.kind = 'install' and (e.state = any ($2) or e.diverged)
      and ($3::text[] is null or e.device_id = any ($3)) and ${OBSTACLE} is null
    order by e.id limit ${AT_ONCE + 1} for update of e
  ), taken as (select id from chosen limit ${AT_ONCE}), again as (
    update execution e set id = gen_random_uuid(), state = 'QUEUED', failed_tries = 0, not_before = now(),
      deadline_at = null, ended_at = null, tried_at = null, switched_at = null, variant = null, diverged = false, updated_at = now(),
      reason_code = null, reason = 'tried again, as ' || $4 || ' has asked; before: ' || e.state ||
        case when e.diverged then ', and then it ran something else' else coalesce(', ' || e.reason, '') end
    from taken where e.id = taken.id
    returning e.wave_index as wave
  )
  select array_agg(distinct wave) filter (where wave is not null) as waves, count(*)::integer as retried,
    (select count(*) > ${AT_ONCE} from chosen) as more
  from again`;

interface Retried {
  readonly waves: readonly number[] | null;
  readonly retried: number;
  readonly more: boolean;
}

/** New tries for devices that a rollout has not brought to its release, on a person's word. */
export class RolloutRetries {
  constructor(
    private readonly database: Database,
    private readonly applier: DecisionsApplier,
  ) {}

  /**
   * Asked once more it finds nobody left, and changes nothing.
   * @param devices only these; undefined: all that failed, timed out, were canceled, or have diverged
   * @throws ProblemError `rollout-command-refused`, `device-not-retried` naming each device that gets no new try
   */
  async retry(id: string, devices: readonly string[] | undefined, by: string): Promise<RolloutRetry> {
    const { retried, more } = await this.database.transaction(async (sql) => {
      const loaded = await loadSnapshot(sql, id, { whenLocked: 'wait', measure: false });
      if (loaded === undefined) throw unknownRollout(id);
      await this.demandState(sql, id, () => tryAgain(loaded.snapshot, [], by));
      if (devices !== undefined) await this.demandDevices(sql, id, devices);
      const states = devices === undefined ? RETRIED : RETRIED_BY_NAME;
      const [row] = await sql.query<Retried>(TRY_AGAIN, [id, states, devices ?? null, by]);
      if (row === undefined) throw new Error('an aggregate answers its row');
      if (row.retried > 0) {
        await sql.query('insert into rollout_history (rollout_id, message, actor) values ($1, $2, $3)', [
          id,
          `${row.retried === 1 ? '1 device gets' : `${row.retried} devices get`} a new try`,
          by,
        ]);
        await this.applier.apply(sql, loaded, tryAgain(loaded.snapshot, row.waves ?? [], by), by);
      }
      return row;
    });
    const rollout = await rolloutViews.summary(this.database, id);
    if (rollout === undefined) throw unknownRollout(id);
    return { rollout, retried, more };
  }

  /** Of a finished one, what to do instead depends on who is left. */
  private async demandState(sql: Sql, id: string, ask: () => unknown): Promise<void> {
    try {
      ask();
    } catch (error) {
      if (error instanceof CommandRefusedError) {
        throw conflict(error.code, `${error.message}${await this.instead(sql, id)}`);
      }
      throw error;
    }
  }

  private async instead(sql: Sql, id: string): Promise<string> {
    const left = await sql.query<{ release: string; device: string }>(
      `select r.release, e.device_id as device from execution e join rollout r on r.id = e.rollout_id
       where r.id = $1 and r.state in ('FINISHED', 'STOPPED') and e.kind = 'install' and e.state = any ($2)
       order by e.device_id limit ${NAMED + 1}`,
      [id, RETRIED],
    );
    const [first] = left;
    if (first === undefined) return '';
    const names = left.slice(0, NAMED).map(({ device }) => device);
    const some = left.length > NAMED ? 'such as ' : '';
    return ` It has ended, so bring the release to those that are left, ${some}${names.join(', ')}, by a new one: aviary rollout create --release ${first.release} --target 'id in (${names.join(', ')}${left.length > NAMED ? ', …' : ''})'`;
  }

  private async demandDevices(sql: Sql, id: string, devices: readonly string[]): Promise<void> {
    const looked = await sql.query<{ id: string; obstacle: string | null }>(OF_DEVICES, [id, RETRIED_BY_NAME, devices]);
    const refused = looked.filter(({ obstacle }) => obstacle !== null);
    if (refused.length === 0) return;
    const words = refused.slice(0, NAMED).map((device) => `${device.id} ${device.obstacle}`);
    if (refused.length > NAMED) words.push(`and ${refused.length - NAMED} more`);
    throw conflict(
      'device-not-retried',
      `Expected devices whose part in this rollout has ended without success; ${words.join('; ')}. Nothing was done.`,
    );
  }
}
