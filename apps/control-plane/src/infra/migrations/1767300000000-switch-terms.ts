import type { MigrationInterface, QueryRunner } from 'typeorm';

/** On which terms a device may switch to what it is assigned. */
export class SwitchTerms1767300000000 implements MigrationInterface {
  name = 'SwitchTerms1767300000000';

  async up(runner: QueryRunner): Promise<void> {
    // null: as soon as it can
    await runner.query('alter table assignment add column terms jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table assignment drop column terms');
  }
}
