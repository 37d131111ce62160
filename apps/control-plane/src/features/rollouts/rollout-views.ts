import {
  type ExecutionOutcome,
  type ExecutionView,
  MOST_LOOKED_AT,
  type RolloutDetail,
  type RolloutSummary,
} from '@aviary/protocol';
import {
  EXECUTION_STATES,
  type ExecutionState,
  FAILURE_STATES,
  isEndedExecution,
  type RolloutSpec,
  ratePerMinute,
  SUCCESS_STATES,
} from '@aviary/rollout';
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
    e.diverged, e.variant, e.from_release as "from", e.reason, e.shadow, ${millisecondsOf('e.updated_at')} as "updatedAt"
  from execution e join device d on d.id = e.device_id
  where e.rollout_id = $1 and e.id > $2`;

/** What devices that are told nothing yet wait for. Queued ones that nothing holds wait for the rate, or the next step. */
const WAITS = `
  select reason, count(*)::integer as devices, ${millisecondsOf('min(until) filter (where until > now())')} as until from (
    select coalesce(e.reason, case when r.state = 'PAUSED' then 'waits until the rollout goes on' else 'waits for its turn' end) as reason,
      e.not_before as until
    from execution e join rollout r on r.id = e.rollout_id
    where e.rollout_id = $1 and e.kind = 'install' and e.state = 'QUEUED' limit ${MOST_LOOKED_AT}
  ) as queued group by reason order by 2 desc, 1`;

/** Reasons in a device's own words differ where their code does not: the newest stands for all. */
const TROUBLES = `
  with newest as (
    select e.state, e.reason_code as code, e.reason, d.name, e.updated_at
    from execution e join device d on d.id = e.device_id
    where e.rollout_id = $1 and e.kind = 'install' and e.state = any ($2)
    order by e.updated_at desc limit ${MOST_LOOKED_AT}
  )
  select state, code, (array_agg(reason order by updated_at desc))[1] as reason, count(*)::integer as devices,
    (array_agg(name order by updated_at desc))[1:5] as names
  from newest group by state, code, case when code is null then reason end order by 4 desc, 1, 2`;

/** Ends without the release. */
const TROUBLED: readonly ExecutionState[] = [...FAILURE_STATES, 'CANCELED', 'REMOVED'];

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

/** What it may tell now. */
const rateOf = (spec: Partial<RolloutSpec> | undefined, { waves }: RolloutSummary): RolloutDetail['rate'] => {
  const rate = spec?.strategy?.rate;
  if (rate === undefined) return null;
  const succeeded = waves.flatMap(({ counts }) => SUCCESS_STATES.map((state) => counts[state] ?? 0));
  return {
    perMinute: ratePerMinute(
      rate,
      succeeded.reduce((sum, n) => sum + n, 0),
    ),
  };
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
      `select ${millisecondsOf('at')} as at, message, actor as by from rollout_history where rollout_id = $1 order by rollout_history.id`,
      [id],
    );
    const [judged] = await sql.query<Pick<RolloutDetail, 'evaluations'>>(EVALUATIONS, [id]);
    const counts = rollback?.counts ?? null;
    const waits = await sql.query<RolloutDetail['waits'][number]>(WAITS, [id]);
    const troubles = await sql.query<RolloutDetail['troubles'][number]>(TROUBLES, [id, TROUBLED]);
    return {
      ...summary,
      spec: spec?.spec ?? {},
      rollback: counts === null ? null : { counts },
      history,
      rate: rateOf(spec?.spec as Partial<RolloutSpec> | undefined, summary),
      waits,
      troubles,
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
