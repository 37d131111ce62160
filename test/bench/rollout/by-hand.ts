import type { Database } from '../../../apps/control-plane/dist/infra/database.js';
import { RELEASE } from './sized-fleet.ts';

/**
 * What a careful person would write to create a rollout: one count by profile, and one insert for each of the rollout,
 * its waves and its history, in one transaction; nothing checked, nothing planned.
 * @returns its id
 */
export const createByHand = (database: Database, labels: Readonly<Record<string, string>>): Promise<string> =>
  database.transaction(async (sql) => {
    const counted = await sql.query<{ profile: string | null; devices: number }>(
      `select profile, count(*)::integer as devices from device where labels @> $1 and revoked_at is null group by 1`,
      [JSON.stringify(labels)],
    );
    const strata = Object.fromEntries(counted.map(({ profile, devices }) => [profile ?? '', devices]));
    const [row] = await sql.query<{ id: string }>(
      `insert into rollout (release, model, target, spec, state, bucket_offset)
       values ($1, 'meter', 'by hand', '{}', 'READY', 0) returning id`,
      [RELEASE],
    );
    if (row === undefined) throw new Error('an insert answers its row');
    await sql.query(
      `insert into wave (rollout_id, index, state, planned, strata)
       values ($1, 0, 'SCHEDULED', 1000, $2), ($1, 1, 'SCHEDULED', 9000, $2), ($1, 2, 'SCHEDULED', 90000, $2)`,
      [row.id, JSON.stringify(strata)],
    );
    await sql.query(`insert into rollout_history (rollout_id, message) values ($1, 'created')`, [row.id]);
    return row.id;
  });

/** Writes an execution for each of so many devices, as a rollout would that has all its rows from the start on. */
export const materialise = async (database: Database, count: number): Promise<void> => {
  await database.query('create table if not exists bench_execution (like execution including all)');
  await database.query('truncate bench_execution');
  await database.query(
    `insert into bench_execution (rollout_id, wave_index, device_id, kind, state, from_release, deadline_at)
     select '00000000-0000-0000-0000-000000000001', 0, d.id, 'install', 'QUEUED', a.release, now() + interval '6 hours'
     from (select id from device where revoked_at is null order by id limit $1) as d
     left join assignment a on a.device_id = d.id`,
    [count],
  );
};
