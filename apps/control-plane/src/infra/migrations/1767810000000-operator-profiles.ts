import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What devices were asked to measure of their operators, and what came of it. */
export class OperatorProfiles1767810000000 implements MigrationInterface {
  name = 'OperatorProfiles1767810000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table operator_profile (
        id uuid primary key default gen_random_uuid(),
        device_id text not null references device (id) on delete cascade,
        frames integer not null,
        requested_by text not null,
        requested_at timestamptz not null default now(),
        expires_at timestamptz not null,
        times_taken integer not null default 0,
        ended_at timestamptz,
        profile jsonb,
        refusal jsonb
      );
      create index operator_profile_device on operator_profile (device_id, requested_at desc);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table operator_profile');
  }
}
