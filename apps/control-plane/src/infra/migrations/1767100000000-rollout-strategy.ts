import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Control groups, comparisons, rate, retries, windows and approval. */
export class RolloutStrategy1767100000000 implements MigrationInterface {
  name = 'RolloutStrategy1767100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table rollout
        -- devices that are held back until the last wave, by stratum
        add column control jsonb not null default '{}',
        add column created_by text,
        -- what may still be started at once, and when that was counted; null: not counted yet
        add column rate_tokens double precision,
        add column rate_at timestamptz;
      alter table execution
        add column failed_tries integer not null default 0,
        -- while QUEUED: when the device may be told
        add column not_before timestamptz not null default '-infinity',
        -- by the device's clock, as its measurements are
        add column switched_at timestamptz,
        -- It begins when the device is told.
        alter column deadline_at drop not null;
      drop index execution_queued;
      create index execution_queued on execution (rollout_id, kind, not_before, id) where state = 'QUEUED';

      -- frames × p95 of their window, so that a mean over minutes can be had
      alter table metrics_minute add column latency_p95_sum_ms double precision not null default 0;

      -- A device of a wave and one of the control group, measured over the same time, before and after the first switched.
      -- Written once: what a comparison says follows from these rows in their order.
      create table wave_pair (
        id bigint generated always as identity primary key,
        rollout_id uuid not null,
        wave_index integer not null,
        stratum text not null,
        device_id text not null,
        -- null: nobody was there to compare it with
        control_id text,
        -- how much more the device's metric changed than the control's; null where one of the two measured nothing
        latency_p95 double precision,
        low_confidence_rate double precision,
        at timestamptz not null default now(),
        foreign key (rollout_id, wave_index) references wave on delete cascade,
        unique (rollout_id, wave_index, device_id),
        unique (rollout_id, wave_index, control_id)
      );

      -- Every judgement that said something new; gate_result has the last of each.
      create table gate_evaluation (
        id bigint generated always as identity primary key,
        rollout_id uuid not null,
        wave_index integer not null,
        gate text not null,
        verdict text not null,
        words text not null,
        detail jsonb not null,
        at timestamptz not null default now(),
        foreign key (rollout_id, wave_index) references wave on delete cascade
      );
      create index gate_evaluation_rollout on gate_evaluation (rollout_id, id);
    `);
  }

  async down(): Promise<void> {
    throw new Error('What was measured and judged is not thrown away. Restore a backup from before this migration.');
  }
}
