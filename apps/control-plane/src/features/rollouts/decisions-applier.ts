import { type Decision, isEndedRollout } from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import type { DirectorService } from '../director/director.service.ts';
import { isLarge, type LargeDecision, Portions, type Progress } from './portions.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

interface PendingRow {
  readonly id: string;
  readonly decision: LargeDecision;
  readonly progress: Progress;
}

const NEXT = 'select id, decision, progress from pending_decision where rollout_id = $1 order by id limit 1';

const KEEP = 'insert into pending_decision (rollout_id, decision, progress) values ($1, $2, $3)';

// The last judgement of each gate, and every one that said something new.
const RECORD_GATE = `
  with told as (
    insert into gate_result (rollout_id, wave_index, gate, verdict, words, detail) values ($1, $2, $3, $4, $5, $6)
    on conflict (rollout_id, wave_index, gate) do update set verdict = $4, words = $5, detail = $6, at = now()
    where (gate_result.verdict, gate_result.words) is distinct from ($4, $5)
    returning rollout_id, wave_index, gate, verdict, words, detail
  )
  insert into gate_evaluation (rollout_id, wave_index, gate, verdict, words, detail) select * from told`;

// Whom a wave has not taken yet need not be canceled.
const FORGET_WAVES = `
  delete from pending_decision
  where rollout_id = $1 and decision ->> 'kind' in ('start-wave', 'join-wave')
    and ($2::integer is null or (decision ->> 'wave')::integer = $2)
  returning (decision ->> 'wave')::integer as wave`;

/**
 * Carries out what was decided, in order, with set-based statements, in the caller's transaction. What is about more
 * devices than that should hold is begun; `goOn` carries it on.
 */
export class DecisionsApplier {
  private readonly portions: Portions;

  constructor(director: DirectorService) {
    this.portions = new Portions(director);
  }

  /** @param by the person who has asked for it; undefined: it follows from how the rollout goes */
  async apply(sql: Sql, rollout: LoadedRollout, decisions: readonly Decision[], by?: string): Promise<void> {
    for (const decision of decisions) {
      if (isLarge(decision)) await this.begin(sql, rollout, decision);
      else await this.applySmall(sql, rollout.id, decision, by);
    }
  }

  /**
   * Carries the next portion out of what was begun. Until there is nothing left, nothing new is to be decided.
   * @returns `later`: others are in the way at this moment
   */
  async goOn(sql: Sql, rollout: LoadedRollout): Promise<'nothing' | 'some' | 'later'> {
    const [pending] = await sql.query<PendingRow>(NEXT, [rollout.id]);
    if (pending === undefined) return 'nothing';
    const left = await this.portions.carryOut(sql, rollout, pending.decision, pending.progress);
    if (left === pending.progress) return 'later';
    if (left === undefined) await sql.query('delete from pending_decision where id = $1', [pending.id]);
    else await sql.query('update pending_decision set progress = $2 where id = $1', [pending.id, JSON.stringify(left)]);
    return 'some';
  }

  private async begin(sql: Sql, rollout: LoadedRollout, decision: LargeDecision): Promise<void> {
    const { id } = rollout;
    if (decision.kind === 'start-wave') {
      await sql.query(`update wave set state = 'RUNNING', started_at = now() where rollout_id = $1 and index = $2`, [
        id,
        decision.wave,
      ]);
      await this.tell(sql, id, `wave ${decision.wave + 1} started`);
    }
    if (decision.kind === 'cancel') {
      const wave = decision.scope === 'all' ? null : decision.scope.wave;
      const forgotten = await sql.query<{ wave: number }>(FORGET_WAVES, [id, wave]);
      if (forgotten.length > 0) {
        await this.portions.settle(
          sql,
          id,
          forgotten.map((row) => row.wave),
        );
      }
    }
    const [before] = await sql.query<PendingRow>(NEXT, [id]);
    const left = before === undefined ? await this.portions.carryOut(sql, rollout, decision, {}) : {};
    if (left !== undefined) await sql.query(KEEP, [id, JSON.stringify(decision), JSON.stringify(left)]);
  }

  private async applySmall(
    sql: Sql,
    id: string,
    decision: Exclude<Decision, LargeDecision>,
    by: string | undefined,
  ): Promise<void> {
    switch (decision.kind) {
      case 'set-wave':
        await sql.query(
          `update wave set state = $3, soak_until = case when $3 = 'RUNNING' then null when $4::float8 is null then soak_until else to_timestamp($4 / 1000) end,
             ended_at = case when $3 in ('PASSED', 'FAILED', 'SKIPPED') then now() end
           where rollout_id = $1 and index = $2`,
          [id, decision.wave, decision.state, decision.soakUntil],
        );
        await this.tell(sql, id, `wave ${decision.wave + 1}: ${decision.state}, ${decision.reason}`, by);
        break;
      case 'record-gates':
        for (const result of decision.results) {
          await sql.query(RECORD_GATE, [
            id,
            decision.wave,
            result.gate,
            result.verdict,
            result.words,
            JSON.stringify(result),
          ]);
        }
        break;
      case 'set-rollout':
        await sql.query(
          `update rollout set state = $2, reason = $3, state_since = now(), started_at = coalesce(started_at, now()),
             ended_at = case when $4 then now() end where id = $1`,
          [id, decision.state, decision.reason, isEndedRollout(decision.state)],
        );
        await this.tell(sql, id, `${decision.state}: ${decision.reason}`, by);
        break;
    }
  }

  private async tell(sql: Sql, id: string, message: string, by?: string): Promise<void> {
    await sql.query('insert into rollout_history (rollout_id, message, actor) values ($1, $2, $3)', [
      id,
      message,
      by ?? null,
    ]);
  }
}
