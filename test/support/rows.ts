import { exampleFacts } from '@aviary/hardware';
import type { Sql } from '../../apps/control-plane/src/infra/database.ts';
import type { TestDatabase } from './test-database.ts';

/** A device as it stands after it has joined, on a board of which there are example facts. */
export const insertDevice = async (
  t: TestDatabase,
  id: string,
  { board = 'rpi5', presence = 'online', running = null as string | null } = {},
): Promise<void> => {
  await t.query(
    `insert into device (id, name, facts, profile, recipient, certificate_fingerprint, certificate_expires_at, presence,
       presence_at, running_release, running_digest)
     values ($1, $2, $3, $4, 'age1', repeat('a', 64), now() + interval '1 year', $5, now(), $6::text,
       case when $6::text is not null then repeat('b', 64) end)`,
    [id, `name of ${id}`, JSON.stringify(exampleFacts(board)), board, presence, running],
  );
  await t.query('insert into telemetry_position (device_id, epoch, seq) values ($1, 1, 0)', [id]);
};

/** What `insertRelease` takes for a release that runs on boards of these profiles. */
export const variantRow = (model: string, version: string, profiles: readonly string[], length: number) => ({
  path: `${model}/${version}/onnx-fp32.age-payload`,
  variant: 'onnx-fp32',
  runtime: 'onnxruntime',
  format: 'onnx',
  precision: 'fp32',
  profiles,
  length,
  plaintextSha256: 'c'.repeat(64),
});

/** A release with one variant per runtime of `runtimes`, registered without its bytes. */
export const insertRelease = async (
  t: Sql,
  name: string,
  counter: number,
  variants: readonly object[] = [],
): Promise<void> => {
  const [model, version] = name.split('@');
  await t.query(
    `insert into release (name, model, version, release_counter, rollback_floor, publisher, statement)
     values ($1, $2, $3, $4, 0, 'tester', $5)`,
    [
      name,
      model,
      version,
      counter,
      JSON.stringify({ release: name, releaseCounter: counter, rollbackFloor: 0, targets: variants }),
    ],
  );
};

/** A rollout in a state of its choice, with one wave. @returns its id */
export const insertRollout = async (
  t: TestDatabase,
  release: string,
  state: string,
  { reason = null as string | null, endedAgo = null as string | null } = {},
): Promise<string> => {
  const [row] = await t.query<{ id: string }>(
    `insert into rollout (release, model, target, spec, state, reason, bucket_offset, ended_at)
     values ($1, split_part($1, '@', 1), 'site=lyon', '{}', $2, $3, 0, now() - $4::interval) returning id`,
    [release, state, reason, endedAgo],
  );
  if (row === undefined) throw new Error('an insert answers its row');
  await t.query(`insert into wave (rollout_id, index, state, planned, strata) values ($1, 0, 'RUNNING', 1, '{}')`, [
    row.id,
  ]);
  return row.id;
};

const FLEET_BOARDS = ['rpi4', 'rpi5', 'rpi5-hailo8l', 'jetson-orin-nano'] as const;
/** In GB, from 1 up to this. */
const FLEET_MEMORIES = 64;

/** One board after the other with each size of memory. */
const fleetFacts = (): string[] =>
  Array.from({ length: FLEET_MEMORIES }, (_, index) =>
    FLEET_BOARDS.map((board) => JSON.stringify({ ...exampleFacts(board), memoryMB: (index + 1) * 1000 })),
  ).flat();

/**
 * Many devices in one statement, `d-0000000` and so on: of four boards, one in a hundred of no profile, with 1 to 64 GB;
 * one in ten has `ring=canary`, one in a thousand has the same `site`, nine in ten are online.
 * @param running what they run, each an equal share of them; null: nothing
 */
export const insertFleet = async (
  sql: Sql,
  count: number,
  { running = [null] as readonly (string | null)[] } = {},
): Promise<void> => {
  await sql.query(
    `insert into device (id, name, labels, facts, profile, recipient, certificate_fingerprint, certificate_expires_at,
       presence, presence_at, running_release, running_digest)
     select 'd-' || lpad(i::text, 7, '0'), 'name of ' || i,
       jsonb_build_object('site', 'site-' || (i % 1000), 'ring', case when i % 10 = 0 then 'canary' else 'wide' end),
       ($1::jsonb[])[1 + i % cardinality($1::jsonb[])],
       case when i % 100 <> 99 then ($2::text[])[1 + i % 4] end, 'age1', repeat('a', 64), now() + interval '1 year',
       case when i % 10 = 9 then 'offline' else 'online' end, now(), r.running, case when r.running is not null then repeat('b', 64) end
     from generate_series(0, $3::integer - 1) as i
     cross join lateral (select ($4::text[])[1 + i % cardinality($4::text[])] as running) as r`,
    [fleetFacts(), FLEET_BOARDS, count, running],
  );
  await sql.query(
    'insert into telemetry_position (device_id, epoch, seq) select id, 1, 0 from device on conflict do nothing',
  );
};
