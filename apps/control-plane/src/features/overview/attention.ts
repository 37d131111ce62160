import type { Overview } from '@aviary/protocol';
import { millisecondsOf, type Sql } from '../../infra/database.ts';

type Attention = Overview['attention'][number];

/** More than anybody reads. */
const MOST = 50;
/** Events looked at: a device that says the same thing for ever does not make the page slow. */
const MOST_EVENTS = 2_000;
/** Idle devices that are named; more are told as a number. */
const NAMED_IDLE = 5;

const EVENTS = `
  with recent as (
    select device_id, received_at, level, code, message from device_event
    where level in ('warning', 'error') and received_at > now() - interval '1 day'
    order by received_at desc limit ${MOST_EVENTS}
  ), newest as (
    select distinct on (device_id, code) * from recent order by device_id, code, received_at desc
  )
  select n.level, ${millisecondsOf('n.received_at')} as at, n.message as words, n.device_id as "deviceId",
    d.name as "deviceName", null as "rolloutId"
  from newest n join device d on d.id = n.device_id and d.revoked_at is null
  order by n.received_at desc limit ${MOST}`;

const ROLLOUTS = `
  select case state when 'ROLLED_BACK' then 'error' else 'warning' end as level,
    ${millisecondsOf('coalesce(ended_at, state_since)')} as at,
    release || ' to "' || target || '" ' || case state when 'PAUSED' then 'is paused'
      when 'WAITING_FOR_APPROVAL' then 'waits for approval' when 'STOPPED' then 'was stopped'
      else 'was rolled back' end || coalesce(': ' || reason, '') as words,
    null as "deviceId", null as "deviceName", id as "rolloutId"
  from rollout
  where id in (
    select id from rollout where state in ('PAUSED', 'WAITING_FOR_APPROVAL')
      and state not in ('FINISHED', 'STOPPED', 'ROLLED_BACK', 'APPROVAL_DENIED')
    union all
    select id from rollout where ended_at > now() - interval '1 day' and state in ('ROLLED_BACK', 'STOPPED')
  )
  order by coalesce(ended_at, state_since) desc limit ${MOST}`;

const IDLE = `
  select 'warning' as level, ${millisecondsOf('coalesce(d.presence_at, d.enrolled_at)')} as at,
    case when a.release is null then 'is online and serves nothing: no rollout has reached it yet'
      else 'is online and serves nothing, though ' || a.release || ' is assigned to it' end as words,
    d.id as "deviceId", d.name as "deviceName", null as "rolloutId", count(*) over ()::integer as "outOf"
  from device d left join assignment a on a.device_id = d.id
  where d.presence = 'online' and d.running_release is null
  order by d.presence_at desc nulls last, d.id limit ${NAMED_IDLE}`;

interface IdleDevice extends Attention {
  readonly outOf: number;
}

const nameOrCount = (idle: readonly IdleDevice[]): Attention[] => {
  const [newest] = idle;
  if (newest !== undefined && newest.outOf > idle.length) {
    const words = `${newest.outOf} devices are online and serve nothing`;
    return [{ level: 'warning', at: newest.at, words, deviceId: null, deviceName: null, rolloutId: null }];
  }
  return idle.map(({ outOf: _, ...device }) => device);
};

/** What needs somebody now, newest first: trouble that devices told, rollouts that stand or went wrong, idle devices. */
export const readAttention = async (sql: Sql): Promise<Attention[]> => {
  const [events, rollouts, idle] = await Promise.all([
    sql.query<Attention>(EVENTS),
    sql.query<Attention>(ROLLOUTS),
    sql.query<IdleDevice>(IDLE),
  ]);
  return [...events, ...rollouts, ...nameOrCount(idle)].sort((a, b) => b.at - a.at).slice(0, MOST);
};
