import { changeOf, comparisonOf, MEASURED_LATE_S, MOST_PAIRS, type RolloutSpec, type Strata } from '@aviary/rollout';
import type { Database, Sql } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { NO_PROFILE } from './device-taker.ts';
import { membersToSql, type Targeted } from './members.ts';

/** Devices paired in one transaction. */
const AT_ONCE = 50;
/** Candidates looked at for one device: some measured nothing. */
const CANDIDATES = 25;
const MINUTE_S = 60;

interface ComparedWave extends Targeted {
  readonly index: number;
  readonly release: string;
  readonly bucketOffset: number;
  readonly spec: RolloutSpec;
  readonly control: Strata;
}

/** Means over one window of time. */
interface Measured {
  readonly latencyP95: number | null;
  readonly lowConfidenceRate: number | null;
}

interface Around {
  readonly before: Measured;
  readonly after: Measured;
}

/** A device that has been measured long enough, and whom it is set beside; null: nobody was there. */
interface RipeDevice {
  readonly deviceId: string;
  readonly stratum: string;
  readonly own: Around;
  readonly controlId: string | null;
  readonly control: Around | null;
}

// The last wave takes the control group, and is compared with nothing.
const WAVES = `
  select r.id, w.index, r.release, r.target, r.spec ->> 'newcomers' as newcomers, r.bucket_offset as "bucketOffset", r.spec, r.control
  from rollout r join wave w on w.rollout_id = r.id
  where r.state in ('RUNNING', 'PAUSED') and r.control <> '{}' and w.state in ('RUNNING', 'SOAKING')
    and w.index < (select max(index) from wave last where last.rollout_id = r.id)`;

/** What a device did with a release in a window, from the minutes in it; none where most of them are missing. */
const measured = (device: string, release: string, from: string, to: string, fewest: string): string => `
  (select json_build_object('latencyP95', sum(m.latency_p95_sum_ms) / nullif(sum(m.frames), 0),
      'lowConfidenceRate', sum(m.low_confidence)::float8 / nullif(sum(m.frames), 0))
    from metrics_minute m
    where m.device_id = ${device} and m.release = ${release} and m.minute >= to_timestamp(${from}) and m.minute < to_timestamp(${to})
    having count(*) >= ${fewest})`;

// Before a device is what it was until the release was tried on it: from then on two run beside each other.
// $1 rollout, $2 wave, $3 its offset, $4 seconds over which is measured, $5 fewest minutes, $6 release.
const RIPE = `
  select n, "deviceId", profile, stratum, tried, switched,
    ${measured('"deviceId"', '"from"', 'tried - $4', 'tried', '$5')} as before,
    ${measured('"deviceId"', '$6', `switched + ${MINUTE_S}`, `switched + ${MINUTE_S} + $4`, '$5')} as after
  from (
    select e.device_id as "deviceId", d.profile, coalesce(d.profile, '${NO_PROFILE}') as stratum, e.from_release as "from",
      extract(epoch from date_trunc('minute', least(e.tried_at, e.switched_at)))::float8 as tried,
      extract(epoch from date_trunc('minute', e.switched_at))::float8 as switched,
      row_number() over (order by date_trunc('minute', e.switched_at), e.device_id) as n
    from execution e join device d on d.id = e.device_id
    where e.rollout_id = $1 and e.wave_index = $2 and e.kind = 'install' and e.state = 'SUCCEEDED' and not e.diverged
      and e.from_release is not null and e.switched_at < now() - make_interval(secs => $4 + ${MEASURED_LATE_S})
      and not exists (select 1 from wave_pair p
        where p.rollout_id = $1 and p.wave_index = $2 and p.device_id = e.device_id)
    order by n limit ${AT_ONCE}
  ) as measurable`;

// The walk of the waves, from its end: who would be taken last is held back. Whoever another rollout moved in the time that
// is compared measured that one.
const candidates = (target: string): string => {
  const walk = (stratum: string, lap: string): string => `
    (select d.id, d.running_release from device d
     where ripe.before is not null and ripe.after is not null and (done.room ->> ripe.stratum)::integer > 0
       and ${stratum} and d.bucket ${lap} $3 and d.running_release is not null and ${target} and d.id <> all (done.used)
       and not exists (select 1 from execution e where e.device_id = d.id and (e.rollout_id = $1
         or (e.switched_at >= to_timestamp(ripe.tried - $4) and e.switched_at < to_timestamp(ripe.switched + ${MINUTE_S} + $4))))
       and not exists (select 1 from wave_pair p where p.rollout_id = $1 and p.wave_index = $2 and p.control_id = d.id)
     order by d.bucket desc, d.id desc limit ${CANDIDATES})`;
  return ['d.profile = ripe.profile', 'd.profile is null and ripe.profile is null']
    .flatMap((stratum) => [walk(stratum, '<'), walk(stratum, '>=')])
    .join(' union all ');
};

// One device after the other, so that each that is held back serves once: whoever is before takes whoever is first.
const pair = (target: string): string => `
  with recursive ripe as materialized (${RIPE}), done as (
    select 0::bigint as n, '{}'::text[] as used, $7::jsonb as room, null::text as control, null::json as before, null::json as after
    union all
    select ripe.n, case when found.id is null then done.used else done.used || found.id end,
      case when found.id is null then done.room
        else jsonb_set(done.room, array[ripe.stratum], to_jsonb((done.room ->> ripe.stratum)::integer - 1)) end,
      found.id, found.before, found.after
    from done join ripe on ripe.n = done.n + 1
    left join lateral (
      select * from (
        select id, ${measured('id', 'running_release', 'ripe.tried - $4', 'ripe.tried', '$5')} as before,
          ${measured('id', 'running_release', `ripe.switched + ${MINUTE_S}`, `ripe.switched + ${MINUTE_S} + $4`, '$5')} as after
        from (${candidates(target)}) as candidate
      ) as seen where before is not null and after is not null limit 1
    ) as found on true
  )
  select ripe."deviceId", ripe.stratum, json_build_object('before', ripe.before, 'after', ripe.after) as own,
    done.control as "controlId", json_build_object('before', done.before, 'after', done.after) as control
  from ripe join done on done.n = ripe.n order by ripe.n`;

const PAIRED = `
  select stratum, count(*)::integer as n from wave_pair
  where rollout_id = $1 and wave_index = $2 and control_id is not null group by 1`;

const STORE = `
  insert into wave_pair (rollout_id, wave_index, stratum, device_id, control_id, latency_p95, low_confidence_rate)
  select $1, $2, stratum, device, control, latency, unsure
  from unnest($3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[])
    with ordinality as t (stratum, device, control, latency, unsure, n)
  order by n on conflict do nothing`;

/** How much more a device's metric changed than the control's; null where one of the four measured nothing. */
const differenceOf = (
  metric: keyof Measured,
  scale: 'ratio' | 'difference',
  { own, controlId, control }: RipeDevice,
): number | null => {
  if (controlId === null || control === null) return null;
  const values = [own.before[metric], own.after[metric], control.before[metric], control.after[metric]];
  const [before, after, otherBefore, otherAfter] = values;
  if (before == null || after == null || otherBefore == null || otherAfter == null) return null;
  if (scale === 'ratio' && values.some((value) => value === 0)) return null;
  return changeOf(scale, before, after) - changeOf(scale, otherBefore, otherAfter);
};

/**
 * Sets devices of waves beside devices that are held back, each pair measured over the same time, before and after the
 * first has switched. A pair is written once and never changes, so that a comparison follows from the rows alone.
 */
export class WavePairs {
  constructor(
    private readonly database: Database,
    private readonly log: Logger,
  ) {}

  /** Pairs what has been measured long enough, in all waves under way. */
  async form(): Promise<void> {
    for (const wave of await this.database.query<ComparedWave>(WAVES)) {
      if (!wave.spec.gates.some((gate) => comparisonOf(gate) !== undefined)) continue;
      while (await this.database.transaction((sql) => this.formSome(sql, wave))) {}
    }
  }

  /** @returns whether there may be more */
  private async formSome(sql: Sql, wave: ComparedWave): Promise<boolean> {
    const { id, index, spec } = wave;
    const [lock] = await sql.query<{ got: boolean }>(`select pg_try_advisory_xact_lock(hashtext($1)) as got`, [
      `pairs of ${id}`,
    ]);
    if (lock?.got !== true) return false;
    const paired = new Map(
      (await sql.query<{ stratum: string; n: number }>(PAIRED, [id, index])).map(({ stratum, n }) => [stratum, n]),
    );
    if ([...paired.values()].reduce((sum, n) => sum + n, 0) >= MOST_PAIRS) return false;
    const room = Object.fromEntries(
      Object.entries(wave.control).map(([stratum, held]) => [stratum, held - (paired.get(stratum) ?? 0)]),
    );
    const over = spec.strategy.compareOver;
    const fewest = Math.max(1, Math.floor(over / MINUTE_S / 2));
    const { where, parameters } = membersToSql(wave, 8);
    const ripe = await sql.query<RipeDevice>(pair(where), [
      id,
      index,
      wave.bucketOffset,
      over,
      fewest,
      wave.release,
      JSON.stringify(room),
      ...parameters,
    ]);
    if (ripe.length === 0) return false;
    await sql.query(STORE, [
      id,
      index,
      ripe.map(({ stratum }) => stratum),
      ripe.map(({ deviceId }) => deviceId),
      ripe.map(({ controlId }) => controlId),
      ripe.map((device) => differenceOf('latencyP95', 'ratio', device)),
      ripe.map((device) => differenceOf('lowConfidenceRate', 'difference', device)),
    ]);
    this.log.debug({ rolloutId: id, wave: index, devices: ripe.length }, 'devices were measured');
    return ripe.length === AT_ONCE;
  }
}
