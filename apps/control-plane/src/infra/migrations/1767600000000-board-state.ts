import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How a board was in the newest window of each release that it runs. Beside the figures of that release, whose row is
 * written with each batch anyway.
 */
export class BoardState1767600000000 implements MigrationInterface {
  name = 'BoardState1767600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table field_metrics add column board jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table field_metrics drop column board');
  }
}
