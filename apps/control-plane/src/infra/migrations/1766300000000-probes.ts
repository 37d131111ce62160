import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Identities for minutes, with which a deployment is tested. */
export class Probes1766300000000 implements MigrationInterface {
  name = 'Probes1766300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table probe (
        id text primary key,
        certificate_fingerprint text not null,
        expires_at timestamptz not null
      );
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table probe');
  }
}
