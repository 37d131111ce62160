import { type Decision, EXECUTION_STATES, isEndedExecution } from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import type { DirectorService } from '../director/director.service.ts';
import { DeviceTaker, type Place } from './device-taker.ts';
import { mayTakeDevices } from './rivals.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

/** Devices in one transaction: short enough for whoever waits for its locks, long enough to be worth a commit. */
export const PORTION = 2_000;

type Of<Kind extends Decision['kind']> = Extract<Decision, { kind: Kind }>;

/** Decisions about as many devices as a rollout may have. They are carried out in portions. */
export type LargeDecision = Of<'start-wave'> | Of<'join-wave'> | Of<'cancel'> | Of<'roll-back'>;

export const isLarge = (decision: Decision): decision is LargeDecision =>
  decision.kind === 'start-wave' ||
  decision.kind === 'join-wave' ||
  decision.kind === 'cancel' ||
  decision.kind === 'roll-back';

/** What is left of a decision. Undefined, as an answer: nothing. */
export interface Progress {
  /** Of a wave that is being started: devices that it still wants, by stratum. */
  readonly wanted?: Readonly<Record<string, number>>;
  /** The last execution that was looked at; of a wave that takes everybody else, the last device. */
  readonly after?: string;
}

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

// Only devices that this rollout still decides about, and that have something to go back to: who was canceled may have
// switched, unless it was only to fetch the release.
const GOING_BACK = `
  page as (
    select * from execution where rollout_id = $1 and id > $3 order by id limit ${PORTION}
  ), back as (
    select e.* from page e join assignment a on a.device_id = e.device_id join device d on d.id = e.device_id
    where d.revoked_at is null and e.kind = 'install' and ($2::integer is null or e.wave_index = $2)
      and e.from_release is not null
      and ((e.state = 'SUCCEEDED' and a.rollout_id = $1)
        or (e.state = 'CANCELED' and e.reason_code <> 'superseded' and e.variant is not null and a.release = e.from_release
          and a.rollout_id is not distinct from coalesce(e.from_rollout, $1) and not exists (
            select 1 from rollout r where r.id = $1 and r.spec #>> '{strategy,mode}' = 'download-only')))
  ), wanted as (
    select o.id, o.rollout_id, o.from_release, back.id as install, back.device_id
    from back join execution o on o.device_id = back.device_id and o.ended_at is null and o.rollout_id <> $1
  )`;

// Another rollout waits for the device: it goes on from what the device goes back to.
const PASS_ON = `
  with ${GOING_BACK}, held as (
    select e.id from execution e where e.ended_at is null and e.id = any (array(select id from wanted))
    for update skip locked
  )
  update execution o set from_release = back.from_release, from_variant = back.from_variant,
    from_rollout = back.from_rollout, updated_at = now()
  from held join wanted on wanted.id = held.id join back on back.id = wanted.install
  where o.id = held.id returning back.id`;

const ROLL_BACK = `
  with ${GOING_BACK}, begun as (
    insert into execution (rollout_id, device_id, kind, state, from_release, reason_code, reason, ended_at)
    select $1, back.device_id, 'rollback', case when wanted.id is null then 'QUEUED' else 'CANCELED' end, back.from_release,
      case when wanted.id is not null then 'superseded' end,
      'assigned again what it had; rollout ' || wanted.rollout_id || ' goes on with it',
      case when wanted.id is not null then now() end
    from back left join wanted on wanted.install = back.id
    where wanted.id is null or wanted.from_release = back.from_release
    on conflict do nothing
  )
  select id as after, (select count(*)::integer from page) as looked,
    exists (select 1 from back join wanted on wanted.install = back.id where wanted.from_release <> back.from_release) as busy
  from page order by id desc limit 1`;

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
  private readonly taker: DeviceTaker;

  constructor(private readonly director: DirectorService) {
    this.taker = new DeviceTaker(director);
  }

  /**
   * Carries out one portion, in the caller's transaction.
   * @param progress what the portion before has left
   * @returns what this one leaves; undefined: all is done; `progress` itself: others take devices at this moment
   */
  async carryOut(
    sql: Sql,
    rollout: LoadedRollout,
    decision: LargeDecision,
    progress: Progress,
  ): Promise<Progress | undefined> {
    if (decision.kind !== 'cancel' && !(await mayTakeDevices(sql))) return progress;
    switch (decision.kind) {
      case 'join-wave':
        return this.takeRest(sql, rollout, decision.wave, progress.after ?? '');
      case 'start-wave':
        if (progress.after !== undefined) return this.takeRest(sql, rollout, decision.wave, progress.after);
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
        const { looked, taken, last } = await this.taker.takeNext(sql, rollout, { wave, stratum, place, limit: asked });
        budget -= looked;
        wanted[stratum] = (wanted[stratum] ?? 0) - taken;
        places[stratum] = last === undefined ? place : { lap: place.lap, bucket: last.bucket, id: last.id };
        if (looked >= asked) continue;
        if (place.lap === 1) delete wanted[stratum];
        else places[stratum] = { lap: 1, bucket: -1, id: '' };
      }
      if (wanted[stratum] === 0) delete wanted[stratum];
    }
    await sql.query('update rollout set walk = $2 where id = $1', [rollout.id, JSON.stringify(places)]);
    if (Object.keys(wanted).length > 0) return { wanted };
    if (wave === rollout.snapshot.waves.length - 1) return { after: '' };
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

  /** Whoever is left: newcomers, devices that came to another stratum, and those that somebody had in their hands. */
  private async takeRest(sql: Sql, rollout: LoadedRollout, wave: number, after: string): Promise<Progress | undefined> {
    const { looked, last } = await this.taker.takeRest(sql, rollout, { wave, after, limit: PORTION });
    if (looked === PORTION && last !== undefined) return { after: last.id };
    await this.settle(sql, rollout.id, [wave]);
    return undefined;
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
    const parameters = [rollout.id, waveOf(decision), progress.after ?? FIRST_ID];
    const passedOn = await sql.query<{ id: string }>(PASS_ON, parameters);
    const [page] = await sql.query<{ after: string; looked: number; busy: boolean }>(ROLL_BACK, parameters);
    if (passedOn.length > 0) {
      await this.director.revert(
        sql,
        passedOn.map(({ id }) => id),
      );
    }
    if (page?.busy === true) return { ...progress };
    return page === undefined || page.looked < PORTION ? undefined : { after: page.after };
  }
}
