import type { Sql } from '../../infra/database.ts';
import type { SqlCondition } from '../devices/selector-sql.ts';
import type { DirectorService } from '../director/director.service.ts';
import { membersToSql } from './members.ts';
import { type Rivals, rivalsOf } from './rivals.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

/** The stratum of devices that no profile fits. */
export const NO_PROFILE = '';

/** Where the walk along the buckets of a stratum stands: it begins at the rollout's offset, and goes around once. */
export interface Place {
  readonly lap: 0 | 1;
  readonly bucket: number;
  readonly id: string;
}

/** What became of some devices. */
export interface Taken {
  /** How many were looked at: fewer than asked when there are no more. */
  readonly looked: number;
  /** Of these, who has an open execution now. */
  readonly taken: number;
  /** The last one; undefined when there was none. */
  readonly last: { readonly bucket: number; readonly id: string } | undefined;
}

/** A statement that is being written, and its parameters. */
class Statement {
  readonly parameters: unknown[] = [];

  value(value: unknown): string {
    return `$${this.parameters.push(value)}`;
  }

  condition(make: (first: number) => SqlCondition): string {
    const { where, parameters } = make(this.parameters.length + 1);
    this.parameters.push(...parameters);
    return where;
  }
}

/** Writes a query of devices, each once and in order: id, bucket, and what they run. */
type Page = (statement: Statement) => string;

const COLUMNS = 'd.id, d.bucket, d.running_release, d.running_digest';

const nextOf =
  (rollout: LoadedRollout, stratum: string, place: Place, limit: number): Page =>
  (statement) =>
    `
    select ${COLUMNS} from device d
    where ${stratum === NO_PROFILE ? 'd.profile is null' : `d.profile = ${statement.value(stratum)}`}
      and (d.bucket, d.id) > (${statement.value(place.bucket)}, ${statement.value(place.id)})
      ${place.lap === 0 ? '' : `and d.bucket < ${statement.value(rollout.bucketOffset)}`}
      and ${statement.condition((first) => membersToSql(rollout, first))}
    order by d.bucket, d.id limit ${limit}`;

const restOf =
  (rollout: LoadedRollout, after: string, limit: number): Page =>
  (statement) =>
    `
    select ${COLUMNS} from device d
    where d.id > ${statement.value(after)} and ${statement.condition((first) => membersToSql(rollout, first))}
      and not exists (select 1 from execution own
        where own.rollout_id = ${statement.value(rollout.id)} and own.device_id = d.id and own.kind = 'install')
    order by d.id limit ${limit}`;

// Whatever a report or another conductor has in its hands is passed over. A device that was being brought back is assigned
// at once what it was to go back to: nobody is left on a release that was undone. So its installation is answered.
const supersede = (statement: Statement, page: Page, { outranked }: Rivals, words: string): string => `
  with page as (${page(statement)}),
  held as (
    select e.id from execution e
    where e.ended_at is null and e.id = any (array(
      select o.id from page join execution o on o.device_id = page.id
      where o.ended_at is null and o.rollout_id = any (${statement.value(outranked)}::uuid[])))
    for update skip locked
  )
  update execution e set state = 'CANCELED', reason_code = 'superseded', reason = ${statement.value(words)}::text,
    ended_at = now(), updated_at = now()
  from held where e.id = held.id
  returning (select i.id from execution i
    where i.rollout_id = e.rollout_id and i.device_id = e.device_id and i.kind = 'install') as id`;

// The rollout that keeps a device: whoever has something open on it, or has brought it to its release and outranks.
const keeper = (statement: Statement, { outranked, outranking }: Rivals): string => `
  left join lateral (
    select e.rollout_id as id from execution e
    where e.device_id = page.id and (e.ended_at is null or (e.kind = 'install' and e.state in ('SUCCEEDED', 'ALREADY_INSTALLED')
      and e.rollout_id = any (${statement.value(outranking)}::uuid[])))
    order by e.ended_at nulls first limit 1
  ) as keeper on true
  left join rollout r on r.id = keeper.id
  where keeper.id is null or keeper.id <> all (${statement.value(outranked)}::uuid[])`;

// What a device has is what was assigned, or, as long as nothing was, what it says that it runs: when that is in the
// registry, byte for byte, it can go back to it.
const take = (statement: Statement, page: Page, rivals: Rivals, rollout: LoadedRollout, wave: number): string => {
  const isAlone = rivals.outranked.length + rivals.outranking.length === 0;
  return `
    with page as (${page(statement)}),
    chosen as (
      select page.*, ${isAlone ? 'null::text' : `'rollout ' || r.id || ' of ' || r.release`} as keeper
      from page ${isAlone ? '' : keeper(statement, rivals)}
    ), taken as (
      insert into execution (rollout_id, wave_index, device_id, kind, state, from_release, from_variant, from_rollout,
        reason_code, reason, ended_at)
      select ${statement.value(rollout.id)}, ${statement.value(wave)}, chosen.id, 'install',
        case when keeper is null then 'QUEUED' else 'CANCELED' end, coalesce(a.release, factory.release),
        coalesce(a.variant, factory.variant), a.rollout_id, case when keeper is not null then 'superseded' end,
        'left to ' || keeper || ', which outranks this one', case when keeper is not null then now() end
      from chosen left join assignment a on a.device_id = chosen.id
      left join lateral (
        select v.release, v.id as variant from variant v
        where a.release is null and v.release = chosen.running_release and v.plaintext_sha256 = chosen.running_digest
        limit 1
      ) as factory on true
      on conflict do nothing returning state
    )
    select bucket, id, (select count(*)::integer from page) as looked,
      (select count(*)::integer from taken where state = 'QUEUED') as taken
    from page`;
};

/** Gives devices their part in a rollout, with regard to the others that want them too. */
export class DeviceTaker {
  constructor(private readonly director: DirectorService) {}

  /** Takes the next devices of a stratum. Who may not be taken at this moment is left to `takeRest`. */
  takeNext(
    sql: Sql,
    rollout: LoadedRollout,
    to: { readonly wave: number; readonly stratum: string; readonly place: Place; readonly limit: number },
  ): Promise<Taken> {
    return this.take(
      sql,
      rollout,
      to.wave,
      nextOf(rollout, to.stratum, to.place, to.limit),
      'order by bucket desc, id desc',
    );
  }

  /** Takes devices that fit and have no part in the rollout yet, in the order of their ids. @param after the id to go on after */
  takeRest(sql: Sql, rollout: LoadedRollout, to: { wave: number; after: string; limit: number }): Promise<Taken> {
    return this.take(sql, rollout, to.wave, restOf(rollout, to.after, to.limit), 'order by id desc');
  }

  private async take(sql: Sql, rollout: LoadedRollout, wave: number, page: Page, lastFirst: string): Promise<Taken> {
    const rivals = await rivalsOf(sql, rollout.id);
    if (rivals.outranked.length > 0) {
      const statement = new Statement();
      const words = `rollout ${rollout.id} of ${rollout.release} outranks this one and takes the device`;
      const text = supersede(statement, page, rivals, words);
      const superseded = await sql.query<{ id: string }>(text, statement.parameters);
      if (superseded.length > 0) {
        await this.director.revert(
          sql,
          superseded.map(({ id }) => id),
        );
      }
    }
    const statement = new Statement();
    const text = `${take(statement, page, rivals, rollout, wave)} ${lastFirst} limit 1`;
    const [last] = await sql.query<{ bucket: number; id: string; looked: number; taken: number }>(
      text,
      statement.parameters,
    );
    return { looked: last?.looked ?? 0, taken: last?.taken ?? 0, last };
  }
}
