import type { ExecutionOutcome, ExecutionView, RolloutDetail, RolloutSummary } from '@aviary/protocol';
import { EXECUTION_STATES, FAILURE_STATES, isEndedExecution, SUCCESS_STATES } from '@aviary/rollout';
import { millisecondsOf, type Sql } from '../../infra/database.ts';
import { UNDER_WAY } from './rivals.ts';

const JUDGEMENT = `
  'gate', g.gate, 'verdict', g.verdict, 'words', g.words, 'estimate', g.detail -> 'estimate', 'bound', g.detail -> 'bound',
  'evidence', g.detail -> 'evidence', 'comparison', g.detail -> 'comparison', 'at', ${millisecondsOf('g.at')}`;

const SUMMARY = `
  select r.id, r.release, r.target, r.priority, r.state, r.reason, r.created_by as "createdBy",
    (select coalesce(sum(value::integer), 0)::integer from jsonb_each_text(r.control)) as control, ${millisecondsOf('r.created_at')} as "createdAt",
    ${millisecondsOf('r.started_at')} as "startedAt", ${millisecondsOf('r.ended_at')} as "endedAt",
    (select json_agg(json_build_object('index', w.index, 'state', w.state, 'size', w.planned,
       'cumulative', (select sum(b.planned) from wave b where b.rollout_id = w.rollout_id and b.index <= w.index),
       'counts', (select coalesce(json_object_agg(c.state, c.n), '{}') from execution_count c
          where c.rollout_id = w.rollout_id and c.wave_index = w.index),
       'startedAt', ${millisecondsOf('w.started_at')}, 'soakUntil', ${millisecondsOf('w.soak_until')}, 'endedAt', ${millisecondsOf('w.ended_at')},
       'gates', (select coalesce(json_agg(json_build_object(${JUDGEMENT}) order by g.gate), '[]') from gate_result g
          where g.rollout_id = w.rollout_id and g.wave_index = w.index)) order by w.index)
     from wave w where w.rollout_id = r.id) as waves
  from rollout r`;

const ROLLBACK_COUNTS = `
  select json_object_agg(state, n) as counts from execution_count where rollout_id = $1 and wave_index is null`;

/** More than anybody reads, and as many as an answer should carry. */
const MOST_EVALUATIONS = 500;

const EVALUATIONS = `
  select coalesce(json_agg(evaluation order by id), '[]') as evaluations from (
    select g.id, json_build_object('wave', g.wave_index, ${JUDGEMENT}) as evaluation
    from gate_evaluation g where g.rollout_id = $1 order by g.id desc limit ${MOST_EVALUATIONS}
  ) as newest`;

const EXECUTIONS = `
  select e.id, e.device_id as "deviceId", d.name as "deviceName", d.profile, e.wave_index as wave, e.kind, e.state,
    e.diverged, e.variant, e.from_release as "from", e.reason, ${millisecondsOf('e.updated_at')} as "updatedAt"
  from execution e join device d on d.id = e.device_id
  where e.rollout_id = $1 and e.id > $2`;

const ENDS_OF: Readonly<Record<Exclude<ExecutionOutcome, 'open'>, readonly string[]>> = {
  succeeded: SUCCESS_STATES,
  failed: FAILURE_STATES,
  canceled: ['CANCELED', 'REMOVED'],
};

/** Who succeeded and then ran something else counts as failed, as it does for the gates. */
const outcomeToSql = (outcome: ExecutionOutcome): { condition: string; states: readonly string[] } => {
  const states = outcome === 'open' ? EXECUTION_STATES.filter((state) => !isEndedExecution(state)) : ENDS_OF[outcome];
  if (outcome === 'succeeded') return { condition: 'e.state = any($4) and not e.diverged', states };
  if (outcome === 'failed') return { condition: '(e.state = any($4) or e.diverged)', states };
  return { condition: 'e.state = any($4)', states };
};

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** How rollouts are shown; reading only. */
export const rolloutViews = {
  async summary(sql: Sql, id: string): Promise<RolloutSummary | undefined> {
    return (await sql.query<RolloutSummary>(`${SUMMARY} where r.id = $1`, [id]))[0];
  },

  /** Newest first. @param before a creation time in ms, to go on from a page */
  list(sql: Sql, before: number | undefined, limit: number): Promise<RolloutSummary[]> {
    return sql.query<RolloutSummary>(
      `${SUMMARY} where $1::float8 is null or ${millisecondsOf('r.created_at')} < $1 order by r.created_at desc limit $2`,
      [before ?? null, limit],
    );
  },

  /** Those that have not ended, newest first. */
  underWay(sql: Sql, limit: number): Promise<RolloutSummary[]> {
    return sql.query<RolloutSummary>(
      `${SUMMARY} where ${UNDER_WAY}
       order by r.created_at desc limit $1`,
      [limit],
    );
  },

  async detail(sql: Sql, id: string): Promise<RolloutDetail | undefined> {
    const summary = await this.summary(sql, id);
    if (summary === undefined) return undefined;
    const [spec] = await sql.query<{ spec: Record<string, unknown> }>('select spec from rollout where id = $1', [id]);
    const [rollback] = await sql.query<{ counts: NonNullable<RolloutDetail['rollback']>['counts'] | null }>(
      ROLLBACK_COUNTS,
      [id],
    );
    const history = await sql.query<RolloutDetail['history'][number]>(
      `select ${millisecondsOf('at')} as at, message from rollout_history where rollout_id = $1 order by rollout_history.id`,
      [id],
    );
    const [judged] = await sql.query<Pick<RolloutDetail, 'evaluations'>>(EVALUATIONS, [id]);
    const counts = rollback?.counts ?? null;
    return {
      ...summary,
      spec: spec?.spec ?? {},
      rollback: counts === null ? null : { counts },
      history,
      evaluations: judged?.evaluations ?? [],
    };
  },

  /** In the order of their ids. @param page `cursor`: the id to go on after */
  executions(
    sql: Sql,
    rolloutId: string,
    page: { cursor?: string | undefined; limit: number; outcome?: ExecutionOutcome | undefined },
  ): Promise<ExecutionView[]> {
    const parameters: unknown[] = [rolloutId, page.cursor ?? FIRST_ID, page.limit];
    if (page.outcome === undefined) return sql.query(`${EXECUTIONS} order by e.id limit $3`, parameters);
    const { condition, states } = outcomeToSql(page.outcome);
    return sql.query(`${EXECUTIONS} and ${condition} order by e.id limit $3`, [...parameters, states]);
  },
};
