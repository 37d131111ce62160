import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Several rollouts at once, lists of devices that stay as they were, and what a device had before it was taken. */
export class RolloutTargets1767200000000 implements MigrationInterface {
  name = 'RolloutTargets1767200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- of two rollouts that want the same device the higher has it, of equal ones the newer
      alter table rollout add column priority integer not null default 500;
      update rollout set spec = '{"priority": 500, "newcomers": "join"}' || spec;

      -- Of a rollout that leaves newcomers out: whom it is about.
      create table rollout_target (
        rollout_id uuid not null references rollout on delete cascade,
        device_id text not null references device,
        primary key (rollout_id, device_id)
      );

      alter table execution
        -- the variant of from_release, and the rollout that had brought it; null: none had
        add column from_variant text,
        add column from_rollout uuid;
      update execution e set from_rollout = a.rollout_id from assignment a
        where a.device_id = e.device_id and e.ended_at is null and e.state = 'QUEUED';
    `);
  }

  async down(): Promise<void> {
    throw new Error('Which rollout had a device is not forgotten. Restore a backup from before this migration.');
  }
}
