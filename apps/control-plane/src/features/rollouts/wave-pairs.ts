import {
  changeOf,
  comparisonOf,
  MEASURED_LATE_S,
  MOST_PAIRS,
  parseSelector,
  type RolloutSpec,
  type Strata,
} from '@aviary/rollout';
import type { Database, Sql } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { targetToSql } from '../devices/selector-sql.ts';
import { NO_PROFILE } from './device-taker.ts';

/** Devices paired in one transaction. */
const AT_ONCE = 50;
/** Candidates looked at for one device: some measured nothing. */
const CANDIDATES = 25;
const MINUTE_S = 60;

interface ComparedWave {
  readonly rolloutId: string;
  readonly index: number;
  readonly release: string;
  readonly target: string;
  readonly bucketOffset: number;
  readonly spec: RolloutSpec;
  readonly control: Strata;
}

/** Means over one window of time. */
interface Measured {
  readonly latencyP95: number | null;
  readonly lowConfidenceRate: number | null;
}

interface RipeDevice {
  readonly deviceId: string;
  readonly stratum: string;
  /** The minute in which it switched, in seconds since 1970. */
  readonly switched: number;
  readonly before: Measured;
  readonly after: Measured;
}

interface ControlDevice {
  readonly deviceId: string;
  readonly before: Measured;
  readonly after: Measured;
}

// The last wave takes the control group, and is compared with nothing.
const WAVES = `
  select r.id as "rolloutId", w.index, r.release, r.target, r.bucket_offset as "bucketOffset", r.spec, r.control
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

const RIPE = `
  select "deviceId", stratum, switched::float8 as switched,
    ${measured('"deviceId"', '"from"', 'switched - $4', 'switched', '$5')} as before,
    ${measured('"deviceId"', '$3', `switched + ${MINUTE_S}`, `switched + ${MINUTE_S} + $4`, '$5')} as after
  from (
    select e.device_id as "deviceId", coalesce(d.profile, '${NO_PROFILE}') as stratum, e.from_release as "from",
      extract(epoch from date_trunc('minute', e.switched_at)) as switched
    from execution e join device d on d.id = e.device_id
    where e.rollout_id = $1 and e.wave_index = $2 and e.kind = 'install' and e.state = 'SUCCEEDED' and not e.diverged
      and e.from_release is not null and e.switched_at < now() - make_interval(secs => $4 + ${MEASURED_LATE_S})
      and not exists (select 1 from wave_pair p
        where p.rollout_id = $1 and p.wave_index = $2 and p.device_id = e.device_id)
    order by e.switched_at, e.device_id limit ${AT_ONCE}
  ) as ripe order by switched, "deviceId"`;

// The walk of the waves, from its end: who would be taken last is held back.
const candidates = (stratum: string, where: string): string => {
  const walk = (lap: string): string => `
    (select d.id, d.running_release from device d
     where ${stratum} and d.bucket ${lap} $3 and d.running_release is not null and ${where}
       and not exists (select 1 from execution e where e.rollout_id = $1 and e.device_id = d.id)
       and not exists (select 1 from wave_pair p where p.rollout_id = $1 and p.wave_index = $2 and p.control_id = d.id)
     order by d.bucket desc, d.id desc limit ${CANDIDATES})`;
  return `${walk('<')} union all ${walk('>=')}`;
};

const control = (stratum: string, where: string): string => `
  select * from (
    select id as "deviceId", ${measured('id', 'running_release', '$4', '$4 + $5', '$6')} as before,
      ${measured('id', 'running_release', '$7', '$7 + $5', '$6')} as after
    from (${candidates(stratum, where)}) as candidate
  ) as seen where before is not null and after is not null limit 1`;

const PAIRED = `
  select stratum, count(*)::integer as n from wave_pair
  where rollout_id = $1 and wave_index = $2 and control_id is not null group by 1`;

const STORE = `
  insert into wave_pair (rollout_id, wave_index, stratum, device_id, control_id, latency_p95, low_confidence_rate)
  values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`;

/** How much more a device's metric changed than the control's; null where one of the four measured nothing. */
const differenceOf = (
  metric: keyof Measured,
  scale: 'ratio' | 'difference',
  device: RipeDevice,
  other: ControlDevice,
): number | null => {
  const values = [device.before[metric], device.after[metric], other.before[metric], other.after[metric]];
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
    const { rolloutId, index, spec } = wave;
    const [lock] = await sql.query<{ got: boolean }>(`select pg_try_advisory_xact_lock(hashtext($1)) as got`, [
      `pairs of ${rolloutId}`,
    ]);
    if (lock?.got !== true) return false;
    const paired = await sql.query<{ stratum: string; n: number }>(PAIRED, [rolloutId, index]);
    const counts = new Map(paired.map(({ stratum, n }) => [stratum, n]));
    if (paired.reduce((sum, { n }) => sum + n, 0) >= MOST_PAIRS) return false;
    const over = spec.strategy.compareOver;
    const fewest = Math.max(1, Math.floor(over / MINUTE_S / 2));
    const ripe = await sql.query<RipeDevice>(RIPE, [rolloutId, index, wave.release, over, fewest]);
    for (const device of ripe) {
      const isLeft = (counts.get(device.stratum) ?? 0) < (wave.control[device.stratum] ?? 0);
      const other =
        isLeft && device.before !== null && device.after !== null
          ? await this.controlFor(sql, wave, device, fewest)
          : undefined;
      if (other !== undefined) counts.set(device.stratum, (counts.get(device.stratum) ?? 0) + 1);
      await sql.query(STORE, [
        rolloutId,
        index,
        device.stratum,
        device.deviceId,
        other?.deviceId ?? null,
        other === undefined ? null : differenceOf('latencyP95', 'ratio', device, other),
        other === undefined ? null : differenceOf('lowConfidenceRate', 'difference', device, other),
      ]);
    }
    if (ripe.length > 0) this.log.debug({ rolloutId, wave: index, devices: ripe.length }, 'devices were measured');
    return ripe.length === AT_ONCE;
  }

  private async controlFor(
    sql: Sql,
    wave: ComparedWave,
    device: RipeDevice,
    fewest: number,
  ): Promise<ControlDevice | undefined> {
    const isNone = device.stratum === NO_PROFILE;
    const { where, parameters } = targetToSql(parseSelector(wave.target), isNone ? 8 : 9);
    const over = wave.spec.strategy.compareOver;
    const [found] = await sql.query<ControlDevice>(control(isNone ? 'd.profile is null' : 'd.profile = $8', where), [
      wave.rolloutId,
      wave.index,
      wave.bucketOffset,
      device.switched - over,
      over,
      fewest,
      device.switched + MINUTE_S,
      ...(isNone ? [] : [device.stratum]),
      ...parameters,
    ]);
    return found;
  }
}
