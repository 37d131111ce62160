import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Rollouts and selectors over a million devices: counters that nobody waits for, portions, and indexes. */
export class RolloutsAtScale1767000000000 implements MigrationInterface {
  name = 'RolloutsAtScale1767000000000';

  async up(runner: QueryRunner): Promise<void> {
    // Progress is the sum of what moved. Each statement adds rows of its own, so that gateways, which move executions in
    // transactions over many devices, never wait for each other or for the conductor; it folds the rows together.
    await runner.query(`
      -- No reference to rollout: its check would lock the row that the conductor holds.
      create table execution_move (
        rollout_id uuid not null,
        -- null: executions that bring devices back
        wave_index integer,
        state text not null,
        -- executions that came into this state, less those that left it
        n integer not null,
        diverged integer not null
      ) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 1);
      create index execution_move_rollout on execution_move (rollout_id);
      create view execution_count as
        select rollout_id, wave_index, state, sum(n)::integer as n, sum(diverged)::integer as diverged
        from execution_move group by rollout_id, wave_index, state having sum(n) <> 0;

      create function count_new_executions() returns trigger language plpgsql as $$
      begin
        insert into execution_move (rollout_id, wave_index, state, n, diverged)
        select rollout_id, wave_index, state, count(*), count(*) filter (where diverged) from changed group by 1, 2, 3;
        return null;
      end $$;
      create function count_changed_executions() returns trigger language plpgsql as $$
      begin
        insert into execution_move (rollout_id, wave_index, state, n, diverged)
        select rollout_id, wave_index, state, sum(n), sum(diverged) from (
          select rollout_id, wave_index, state, 1 as n, diverged::integer as diverged from changed
          union all
          select rollout_id, wave_index, state, -1, -diverged::integer from before
        ) as moved group by 1, 2, 3 having sum(n) <> 0 or sum(diverged) <> 0;
        return null;
      end $$;
      drop trigger execution_counts on execution;
      drop function count_execution_state();
      create trigger execution_counted_new after insert on execution referencing new table as changed
        for each statement execute function count_new_executions();
      create trigger execution_counted_changed after update on execution
        referencing old table as before new table as changed
        for each statement execute function count_changed_executions();
      insert into execution_move (rollout_id, wave_index, state, n, diverged)
        select rollout_id, wave_index, state, count(*), count(*) filter (where diverged) from execution group by 1, 2, 3;
      alter table wave drop column counts;

      -- What was decided about more devices than one transaction should hold, and is not wholly carried out yet.
      create table pending_decision (
        id bigint generated always as identity primary key,
        rollout_id uuid not null references rollout on delete cascade,
        decision jsonb not null,
        progress jsonb not null
      );
      create index pending_decision_rollout on pending_decision (rollout_id, id);
      -- How far each stratum was walked, by profile: where the next wave goes on.
      alter table rollout add column walk jsonb not null default '{}';

      create index execution_rollout on execution (rollout_id, id);
      create index execution_queued on execution (rollout_id, kind desc, id) where state = 'QUEUED';
      create index assignment_release on assignment (release);
    `);
    // What selectors ask for, and what waves walk along. Facts and labels that equal something are asked for by
    // containment, numbers by order.
    await runner.query(`
      drop index device_profile_bucket;
      create index device_stratum on device (profile, bucket, id) include (revoked_at);
      drop index device_revoked;
      create index device_revoked on device (revoked_at) where revoked_at is not null;
      create index device_name on device (name);
      create index device_presence on device (presence);
      create index device_running_model on device (split_part(running_release, '@', 1));
      create index device_facts on device using gin (facts jsonb_path_ops);
      create index device_fact_memory on device (((facts #> '{memoryMB}')::numeric));
      create index device_fact_disk on device (((facts #> '{diskFreeMB}')::numeric));
      create index device_fact_cores on device (((facts #> '{cpu,cores}')::numeric));
    `);
  }

  async down(): Promise<void> {
    throw new Error('Counters are not put back into their waves. Restore a backup from before this migration.');
  }
}
