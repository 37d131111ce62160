import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which master keys this database knows, by their ids; during a rotation each one lies here sealed under the other. */
export class MasterKeys1766000000002 implements MigrationInterface {
  name = 'MasterKeys1766000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table master_key (
        id text primary key,
        state text not null check (state in ('current', 'previous', 'retired')),
        -- this key, sealed under the other one, as long as some secrets are sealed under either
        wrapped bytea,
        since timestamptz not null default now(),
        retired_at timestamptz
      );
      create unique index master_key_one_of_each on master_key (state) where state <> 'retired';
    `);
  }

  async down(): Promise<void> {
    throw new Error(
      'Secrets that name their master key cannot be read without it. Restore a backup from before this migration.',
    );
  }
}
