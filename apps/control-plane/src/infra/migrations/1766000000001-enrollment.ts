import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Certificates that are renewed and revoked; epochs; join tokens that are bound; keys that join without a token. */
export class Enrollment1766000000001 implements MigrationInterface {
  name = 'Enrollment1766000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table device
        -- Of a renewal, until the device is seen with it: only then is the one before dead.
        add column next_certificate_fingerprint text,
        add column next_certificate_expires_at timestamptz,
        -- When the device was first seen with a certificate of this epoch.
        add column certificate_seen_at timestamptz,
        add column revoked_at timestamptz;
      create index device_revoked on device (id) where revoked_at is not null;

      alter table join_token
        -- Of the device that may join again with it; null: a new one.
        add column device_id text references device,
        add column profile text;

      -- Keys that may join without a token, and those that ask to.
      create table joining_key (
        -- SHA-256 over the public key's SubjectPublicKeyInfo, hex
        fingerprint text primary key,
        state text not null check (state in ('PREAUTHORIZED', 'PENDING', 'ACCEPTED', 'REJECTED')),
        -- what the device gets
        name text,
        labels jsonb not null default '{}',
        profile text,
        -- what whoever holds the key says of itself
        claimed_name text,
        claimed_facts jsonb,
        address text,
        created_at timestamptz not null default now(),
        asked_at timestamptz,
        expires_at timestamptz not null,
        -- the device that it became
        device_id text references device
      );
      create index joining_key_expiry on joining_key (expires_at);
      create index joining_key_waiting on joining_key (address) where state = 'PENDING';

      create function notify_certificates() returns trigger language plpgsql as $$
      begin
        perform pg_notify('certificates', '');
        return null;
      end $$;
      create trigger device_certificate_notify after update of revoked_at, epoch on device
        for each statement execute function notify_certificates();

      create or replace function tell_changed_device() returns trigger language plpgsql as $$
      begin
        perform record_change('devices', (select array_agg(id) from (
          select distinct now_.id::text as id from changed now_ join before was using (id)
          where (now_.presence, now_.running_release, now_.running_digest, now_.labels, now_.name, now_.profile,
              now_.facts, now_.revoked_at, now_.epoch)
            is distinct from (was.presence, was.running_release, was.running_digest, was.labels, was.name, was.profile,
              was.facts, was.revoked_at, was.epoch)
          limit 21) as distinct_ids));
        return null;
      end $$;
    `);
  }

  async down(): Promise<void> {
    throw new Error('Who was revoked is not forgotten. Restore a backup from before this migration.');
  }
}
