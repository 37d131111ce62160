import type { RoundCandidate, RoundDetail, RoundParticipant, RoundSummary } from '@aviary/protocol';
import { millisecondsOf, type Sql } from '../../infra/database.ts';

const SUMMARY = `
  select r.id, r.release, r.target, r.state, r.reason, ${millisecondsOf('r.created_at')} as "createdAt",
    ${millisecondsOf('r.deadline_at')} as "deadlineAt", ${millisecondsOf('r.ended_at')} as "endedAt",
    (r.spec ->> 'goal')::integer as goal, p.selected, p.updates, p.refused,
    (select c.name from release c where c.lineage ->> 'round' = r.id::text order by c.published_at desc limit 1) as candidate
  from federated_round r
  cross join lateral (
    select count(*) filter (where part = 'train')::integer as selected,
      count(*) filter (where part = 'train' and state = 'REPORTED')::integer as updates,
      count(*) filter (where state = 'REFUSED')::integer as refused
    from round_participant where round_id = r.id) as p`;

const PARTICIPANTS = `
  select p.device_id as "deviceId", d.name as "deviceName", p.part, p.state, p.samples, p.loss, p.norm, p.reason,
    ${millisecondsOf('p.updated_at')} as "updatedAt"
  from round_participant p join device d on d.id = p.device_id
  where p.round_id = $1 order by p.part desc, d.name, p.device_id`;

const CANDIDATE = `
  select id as round, release, backbone, base, features, classes, replace(encode(aggregate_update, 'base64'), e'\\n', '') as update,
    aggregate, evaluation, ${millisecondsOf('ended_at')} as "committedAt"
  from federated_round where id = $1 and state = 'COMMITTED'`;

/** How rounds are shown; reading only. */
export const roundViews = {
  async summary(sql: Sql, id: string): Promise<RoundSummary | undefined> {
    return (await sql.query<RoundSummary>(`${SUMMARY} where r.id = $1`, [id]))[0];
  },

  /** Newest first. @param before a creation time in ms, to go on from a page */
  list(sql: Sql, before: number | undefined, limit: number): Promise<RoundSummary[]> {
    return sql.query<RoundSummary>(
      `${SUMMARY} where $1::float8 is null or ${millisecondsOf('r.created_at')} < $1 order by r.created_at desc limit $2`,
      [before ?? null, limit],
    );
  },

  async detail(sql: Sql, id: string): Promise<RoundDetail | undefined> {
    const summary = await this.summary(sql, id);
    const [more] = await sql.query<Pick<RoundDetail, 'spec' | 'backbone' | 'aggregate' | 'evaluation'>>(
      'select spec, backbone, aggregate, evaluation from federated_round where id = $1',
      [id],
    );
    if (summary === undefined || more === undefined) return undefined;
    const history = await sql.query<RoundDetail['history'][number]>(
      `select ${millisecondsOf('at')} as at, message from round_history where round_id = $1 order by id`,
      [id],
    );
    return { ...summary, ...more, participants: await sql.query<RoundParticipant>(PARTICIPANTS, [id]), history };
  },

  /** Undefined unless it was committed. */
  async candidate(sql: Sql, id: string): Promise<RoundCandidate | undefined> {
    return (await sql.query<RoundCandidate>(CANDIDATE, [id]))[0];
  },
};
