import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What came of running a release in shadow, and since when it was tried beside what served. */
export class Shadow1767710000000 implements MigrationInterface {
  name = 'Shadow1767710000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table execution add column shadow jsonb, add column tried_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table execution drop column shadow, drop column tried_at');
  }
}
