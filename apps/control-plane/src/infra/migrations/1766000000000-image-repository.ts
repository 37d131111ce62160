import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What may run is signed metadata (TUF) instead of a statement per release by one of the registered publishers. */
export class ImageRepository1766000000000 implements MigrationInterface {
  name = 'ImageRepository1766000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table trust_metadata (
        role text not null,
        version integer not null,
        body text not null,
        expires_at timestamptz not null,
        published_at timestamptz not null default now(),
        primary key (role, version)
      );

      create table trust_file (
        sha256 text primary key,
        body bytea not null
      );

      create table trust_proposal (
        one boolean primary key default true check (one),
        root text,
        targets text,
        files jsonb not null,
        variants jsonb not null,
        created_at timestamptz not null default now()
      );

      alter table release add column publisher text, add column revoked_at timestamptz;
      -- Releases of before are in no signed targets: devices refuse them until they are pushed anew.
      update release r set revoked_at = now(),
        publisher = (select p.name from publisher p where p.key_id = r.publisher_key_id),
        statement = convert_from(decode(statement ->> 'payload', 'base64'), 'UTF8')::jsonb;
      alter table release alter column publisher set not null, drop column publisher_key_id;
      drop table publisher;`);
  }

  async down(): Promise<void> {
    throw new Error('This cannot be undone: restore a backup of the database.');
  }
}
