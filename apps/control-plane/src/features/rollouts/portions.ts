import { type Decision, EXECUTION_STATES, isEndedExecution, parseSelector } from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import { targetToSql } from '../devices/selector-sql.ts';
import type { DirectorService } from '../director/director.service.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

/** Devices in one transaction: short enough for whoever waits for its locks, long enough to be worth a commit. */
export const PORTION = 2_000;

/** The stratum of devices that no profile fits. */
export const NO_PROFILE = '';

type Of<Kind extends Decision['kind']> = Extract<Decision, { kind: Kind }>;

/** Decisions about as many devices as a rollout may have. They are carried out in portions. */
export type LargeDecision = Of<'start-wave'> | Of<'cancel'> | Of<'roll-back'>;

export const isLarge = (decision: Decision): decision is LargeDecision =>
  decision.kind === 'start-wave' || decision.kind === 'cancel' || decision.kind === 'roll-back';

/** What is left of a decision. Undefined, as an answer: nothing. */
export interface Progress {
  /** Of a wave that is being started: devices that it still wants, by stratum. */
  readonly wanted?: Readonly<Record<string, number>>;
  /** The last execution that was looked at. */
  readonly after?: string;
}

/** Where the walk along the buckets of a stratum stands: it begins at the rollout's offset, and goes around once. */
interface Place {
  readonly lap: 0 | 1;
  readonly bucket: number;
  readonly id: string;
}

const walk = (stratum: string, lap: Place['lap'], where: string): string => `
  with walked as (
    select d.id, d.bucket from device d
    where ${stratum} and (d.bucket, d.id) > ($3, $4) and ${lap === 0 ? '$6::integer is not null' : 'd.bucket < $6'} and ${where}
    order by d.bucket, d.id limit $5
  ), taken as (
    insert into execution (rollout_id, wave_index, device_id, kind, state, from_release)
    select $1, $2, walked.id, 'install', 'QUEUED', a.release
    from walked left join assignment a on a.device_id = walked.id
    on conflict do nothing returning 1
  )
  select bucket, id, (select count(*)::integer from walked) as walked, (select count(*)::integer from taken) as taken
  from walked order by bucket desc, id desc limit 1`;

const CANCEL = `
  with chosen as (
    select e.id from execution e
    where e.rollout_id = $1 and e.state = any ($4) and e.wave_index = any (array(
      select w.index from wave w where w.rollout_id = $1 and ($2::integer is null or w.index = $2)))
    limit ${PORTION} for update skip locked
  )
  update execution e set state = 'CANCELED', reason_code = 'canceled', reason = $3, ended_at = now(), updated_at = now()
  from chosen where e.id = chosen.id
  returning e.id`;

const TO_CANCEL = `
  select 1 from execution e
  where e.rollout_id = $1 and e.state = any ($3) and e.wave_index = any (array(
    select w.index from wave w where w.rollout_id = $1 and ($2::integer is null or w.index = $2)))
  limit 1`;

// Only devices that this rollout still decides about, and that have something to go back to.
const ROLL_BACK = `
  with page as (
    select * from execution where rollout_id = $1 and id > $3 order by id limit ${PORTION}
  ), begun as (
    insert into execution (rollout_id, device_id, kind, state, from_release)
    select $1, e.device_id, 'rollback', 'QUEUED', e.from_release
    from page e join assignment a on a.device_id = e.device_id join device d on d.id = e.device_id
    where d.revoked_at is null and e.kind = 'install' and ($2::integer is null or e.wave_index = $2)
      and e.from_release is not null and a.rollout_id = $1
      and (e.state = 'SUCCEEDED' or (e.state = 'CANCELED' and a.release = e.from_release))
    on conflict do nothing
  )
  select id as after, (select count(*)::integer from page) as looked from page order by id desc limit 1`;

// Devices may have changed since the plan was made: a wave is as large as what it really took.
const SETTLE = `
  update wave w set planned = coalesce((
    select sum(n) from execution_count c where c.rollout_id = w.rollout_id and c.wave_index = w.index), 0)
  where rollout_id = $1 and index = any ($2)`;

const UNSTARTED = ['QUEUED', 'NOTIFIED'];
const OPEN = EXECUTION_STATES.filter((state) => !isEndedExecution(state));
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

const waveOf = ({ scope }: Of<'cancel'> | Of<'roll-back'>): number | null => (scope === 'all' ? null : scope.wave);

/** Carries out what was decided about many devices, a portion in each transaction. */
export class Portions {
  constructor(private readonly director: DirectorService) {}

  /**
   * Carries out one portion, in the caller's transaction.
   * @param progress what the portion before has left
   * @returns what this one leaves; undefined: all is done
   */
  carryOut(
    sql: Sql,
    rollout: LoadedRollout,
    decision: LargeDecision,
    progress: Progress,
  ): Promise<Progress | undefined> {
    switch (decision.kind) {
      case 'start-wave':
        return this.fillWave(sql, rollout, decision.wave, progress);
      case 'cancel':
        return this.cancel(sql, rollout.id, decision);
      case 'roll-back':
        return this.rollBack(sql, rollout, decision, progress);
    }
  }

  /** Waves that are as large as what they have taken so far. */
  async settle(sql: Sql, rolloutId: string, waves: readonly number[]): Promise<void> {
    await sql.query(SETTLE, [rolloutId, waves]);
  }

  /**
   * A wave takes the next devices of each stratum in the order of their buckets. Where it ends the next one goes on, so
   * that nobody is passed twice.
   */
  private async fillWave(
    sql: Sql,
    rollout: LoadedRollout,
    wave: number,
    progress: Progress,
  ): Promise<Progress | undefined> {
    const wanted = { ...(progress.wanted ?? (await this.strataOf(sql, rollout.id, wave))) };
    const [row] = await sql.query<{ walk: Record<string, Place> }>('select walk from rollout where id = $1', [
      rollout.id,
    ]);
    const places: Record<string, Place> = { ...row?.walk };
    let budget = PORTION;
    for (const stratum of Object.keys(wanted)) {
      while (budget > 0 && (wanted[stratum] ?? 0) > 0) {
        const place = places[stratum] ?? { lap: 0, bucket: rollout.bucketOffset, id: '' };
        const asked = Math.min(budget, wanted[stratum] ?? 0);
        const step = await this.take(sql, rollout, wave, stratum, place, asked);
        budget -= step.walked;
        wanted[stratum] = (wanted[stratum] ?? 0) - step.taken;
        places[stratum] = step.place;
        if (step.walked >= asked) continue;
        if (place.lap === 1) delete wanted[stratum];
        else places[stratum] = { lap: 1, bucket: -1, id: '' };
      }
      if (wanted[stratum] === 0) delete wanted[stratum];
    }
    await sql.query('update rollout set walk = $2 where id = $1', [rollout.id, JSON.stringify(places)]);
    if (Object.keys(wanted).length > 0) return { wanted };
    await this.settle(sql, rollout.id, [wave]);
    return undefined;
  }

  private async strataOf(sql: Sql, rolloutId: string, wave: number): Promise<Record<string, number>> {
    const [row] = await sql.query<{ strata: Record<string, number> }>(
      'select strata from wave where rollout_id = $1 and index = $2',
      [rolloutId, wave],
    );
    return row?.strata ?? {};
  }

  private async take(
    sql: Sql,
    rollout: LoadedRollout,
    wave: number,
    stratum: string,
    place: Place,
    limit: number,
  ): Promise<{ walked: number; taken: number; place: Place }> {
    const { where, parameters } = targetToSql(parseSelector(rollout.target), stratum === NO_PROFILE ? 7 : 8);
    const isNone = stratum === NO_PROFILE;
    const [last] = await sql.query<{ bucket: number; id: string; walked: number; taken: number }>(
      walk(isNone ? 'd.profile is null' : 'd.profile = $7', place.lap, where),
      [
        rollout.id,
        wave,
        place.bucket,
        place.id,
        limit,
        rollout.bucketOffset,
        ...(isNone ? [] : [stratum]),
        ...parameters,
      ],
    );
    if (last === undefined) return { walked: 0, taken: 0, place };
    const { bucket, id, walked, taken } = last;
    return { walked, taken, place: { lap: place.lap, bucket, id } };
  }

  private async cancel(sql: Sql, rolloutId: string, decision: Of<'cancel'>): Promise<Progress | undefined> {
    const states = decision.which === 'open' ? OPEN : UNSTARTED;
    const wave = waveOf(decision);
    const canceled = await sql.query<{ id: string }>(CANCEL, [rolloutId, wave, decision.reason, states]);
    if (canceled.length > 0) {
      await this.director.revert(
        sql,
        canceled.map(({ id }) => id),
      );
    }
    // Those that a gateway has in its hands at this moment were passed over.
    const left = await sql.query(TO_CANCEL, [rolloutId, wave, states]);
    return left.length > 0 ? {} : undefined;
  }

  private async rollBack(
    sql: Sql,
    rollout: LoadedRollout,
    decision: Of<'roll-back'>,
    progress: Progress,
  ): Promise<Progress | undefined> {
    const [page] = await sql.query<{ after: string; looked: number }>(ROLL_BACK, [
      rollout.id,
      waveOf(decision),
      progress.after ?? FIRST_ID,
    ]);
    return page === undefined || page.looked < PORTION ? undefined : { after: page.after };
  }
}
