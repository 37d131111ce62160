import { type Decision, isEndedRollout, parseSelector, type Scope } from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import { targetToSql } from '../devices/selector-sql.ts';
import type { DirectorService } from '../director/director.service.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

// A wave takes the next devices of each stratum in the order of their buckets, which begins anew at the rollout's own
// offset: two walks over the index, the second from zero.
const startWave = (where: string) => `
  insert into execution (rollout_id, wave_index, device_id, kind, state, from_release, deadline_at)
  select $1, $2, taken.id, 'install', 'QUEUED', a.release, now() + make_interval(secs => $5)
  from jsonb_each_text($3::jsonb) as stratum (profile, wanted)
  cross join lateral (
    select id from (
      (select d.id, 0 as lap, d.bucket from device d
       where d.profile is not distinct from nullif(stratum.profile, '') and d.bucket >= $4 and ${where} and ${UNTOUCHED}
       order by d.bucket limit stratum.wanted::integer)
      union all
      (select d.id, 1 as lap, d.bucket from device d
       where d.profile is not distinct from nullif(stratum.profile, '') and d.bucket < $4 and ${where} and ${UNTOUCHED}
       order by d.bucket limit stratum.wanted::integer)
    ) as laps order by lap, bucket limit stratum.wanted::integer
  ) as taken
  left join assignment a on a.device_id = taken.id
  on conflict do nothing`;

const UNTOUCHED = `not exists (
  select 1 from execution e where e.rollout_id = $1 and e.device_id = d.id and e.kind = 'install')`;

const CANCEL = `
  update execution set state = 'CANCELED', reason_code = 'canceled', reason = $3, ended_at = now(), updated_at = now()
  where rollout_id = $1 and kind = 'install' and ended_at is null and ($2::integer is null or wave_index = $2)
    and ($4 = 'open' or state in ('QUEUED', 'NOTIFIED'))
  returning id`;

// Only devices that this rollout still decides about, and that have something to go back to.
const ROLL_BACK = `
  insert into execution (rollout_id, device_id, kind, state, from_release, deadline_at)
  select $1, e.device_id, 'rollback', 'QUEUED', e.from_release, now() + make_interval(secs => $3)
  from execution e join assignment a on a.device_id = e.device_id join device d on d.id = e.device_id
  where d.revoked_at is null and e.rollout_id = $1 and e.kind = 'install' and ($2::integer is null or e.wave_index = $2)
    and e.from_release is not null and a.rollout_id = $1
    and (e.state = 'SUCCEEDED' or (e.state = 'CANCELED' and a.release = e.from_release))
  on conflict do nothing`;

const waveOf = (scope: Scope): number | null => (scope === 'all' ? null : scope.wave);

/** Carries out what was decided, in order, with set-based statements, in the caller's transaction. */
export class DecisionsApplier {
  constructor(private readonly director: DirectorService) {}

  async apply(sql: Sql, rollout: LoadedRollout, decisions: readonly Decision[]): Promise<void> {
    for (const decision of decisions) await this.applyOne(sql, rollout, decision);
  }

  private async applyOne(sql: Sql, rollout: LoadedRollout, decision: Decision): Promise<void> {
    const { id, spec } = rollout;
    switch (decision.kind) {
      case 'start-wave': {
        const { where, parameters } = targetToSql(parseSelector(rollout.target), 6);
        const [wave] = await sql.query<{ strata: Record<string, number> }>(
          'select strata from wave where rollout_id = $1 and index = $2',
          [id, decision.wave],
        );
        await sql.query(startWave(where), [
          id,
          decision.wave,
          JSON.stringify(wave?.strata ?? {}),
          rollout.bucketOffset,
          spec.strategy.deadline,
          ...parameters,
        ]);
        // Devices may have changed since the plan was made: a wave is as large as what it really took.
        await sql.query(
          `update wave set state = 'RUNNING', started_at = now(), planned = (
             select count(*) from execution where rollout_id = $1 and wave_index = $2) where rollout_id = $1 and index = $2`,
          [id, decision.wave],
        );
        await this.tell(sql, id, `wave ${decision.wave + 1} started`);
        break;
      }
      case 'set-wave':
        await sql.query(
          `update wave set state = $3, soak_until = case when $4::float8 is null then soak_until else to_timestamp($4 / 1000) end,
             ended_at = case when $3 in ('PASSED', 'FAILED', 'SKIPPED') then now() end
           where rollout_id = $1 and index = $2`,
          [id, decision.wave, decision.state, decision.soakUntil],
        );
        await this.tell(sql, id, `wave ${decision.wave + 1}: ${decision.state}, ${decision.reason}`);
        break;
      case 'record-gates':
        for (const result of decision.results) {
          await sql.query(
            `insert into gate_result (rollout_id, wave_index, gate, verdict, words, detail) values ($1, $2, $3, $4, $5, $6)
             on conflict (rollout_id, wave_index, gate) do update set verdict = $4, words = $5, detail = $6, at = now()
             where (gate_result.verdict, gate_result.words) is distinct from ($4, $5)`,
            [id, decision.wave, result.gate, result.verdict, result.words, JSON.stringify(result)],
          );
        }
        break;
      case 'cancel': {
        const canceled = await sql.query<{ id: string }>(CANCEL, [
          id,
          waveOf(decision.scope),
          decision.reason,
          decision.which,
        ]);
        if (canceled.length > 0)
          await this.director.revert(
            sql,
            canceled.map((execution) => execution.id),
          );
        break;
      }
      case 'roll-back':
        await sql.query(ROLL_BACK, [id, waveOf(decision.scope), spec.strategy.deadline]);
        break;
      case 'set-rollout':
        await sql.query(
          `update rollout set state = $2, reason = $3, state_since = now(), started_at = coalesce(started_at, now()),
             ended_at = case when $4 then now() end where id = $1`,
          [id, decision.state, decision.reason, isEndedRollout(decision.state)],
        );
        await this.tell(sql, id, `${decision.state}: ${decision.reason}`);
        break;
    }
  }

  private async tell(sql: Sql, id: string, message: string): Promise<void> {
    await sql.query('insert into rollout_history (rollout_id, message) values ($1, $2)', [id, message]);
  }
}
