import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CHANGE_TRIGGERS } from './change-triggers.ts';

/** Accounts, sessions, tokens and audit; changes that pages follow; federated rounds; where releases come from. */
export class AccessLiveFederation1765000000000 implements MigrationInterface {
  name = 'AccessLiveFederation1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table release add column lineage jsonb;

      create table account (
        id uuid primary key default gen_random_uuid(),
        name text not null unique,
        role text not null,
        password_hash text not null,
        disabled boolean not null default false,
        created_at timestamptz not null default now(),
        last_login_at timestamptz
      );

      create table session (
        secret_hash bytea primary key,
        account_id uuid not null references account on delete cascade,
        csrf_token text not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        last_seen_at timestamptz not null default now()
      );
      create index session_account on session (account_id);
      create index session_expiry on session (expires_at);

      create table api_token (
        id uuid primary key default gen_random_uuid(),
        secret_hash bytea not null unique,
        account_id uuid references account on delete cascade,
        name text not null,
        role text not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        last_used_at timestamptz
      );
      create index api_token_account on api_token (account_id);

      -- How often somebody has failed to log in lately: for an account's name, or from an address.
      create table log_in_attempt (
        subject text primary key,
        failures integer not null default 1,
        last_at timestamptz not null default clock_timestamp(),
        -- when the next try is heard
        free_at timestamptz not null default '-infinity'
      );
      create index log_in_attempt_last on log_in_attempt (last_at);

      create table audit_entry (
        seq bigint primary key,
        at timestamptz not null,
        actor text not null,
        via text not null,
        action text not null,
        target text not null,
        detail jsonb not null,
        previous_hash text not null,
        hash text not null
      );

      create function keep_audit_entry() returns trigger language plpgsql as $$
      begin
        raise exception 'audit entries are written once: % is refused', tg_op;
      end $$;
      create trigger audit_entry_kept before update or delete on audit_entry
        for each row execute function keep_audit_entry();

      -- What pages follow. Ids are given out before transactions end, so a reader takes only what is older than every
      -- transaction still under way, by the transaction id kept beside it.
      create table change_event (
        transaction_id xid8 not null default pg_current_xact_id(),
        id bigint generated always as identity,
        at timestamptz not null default now(),
        topic text not null,
        -- null: many
        ids jsonb,
        primary key (transaction_id, id)
      );
      -- Changes of this transaction and of all before it were let go. One row, or none yet.
      create table change_horizon (
        the_one boolean primary key default true check (the_one),
        transaction_id xid8 not null
      );

      -- What the overview shows: the newest trouble, and the rollouts that ended badly.
      create index device_event_trouble on device_event (received_at) where level in ('warning', 'error');
      create index rollout_ended on rollout (ended_at);

      create table learning_state (
        device_id text primary key references device,
        release text not null,
        backbone text not null,
        base text not null,
        samples integer not null,
        per_label jsonb not null,
        at timestamptz not null
      );
      create index learning_state_backbone on learning_state (backbone);

      create table federated_round (
        id uuid primary key default gen_random_uuid(),
        version integer not null default 1,
        release text not null references release,
        backbone text not null,
        base text not null,
        features integer not null,
        classes integer not null,
        target text not null,
        spec jsonb not null,
        state text not null,
        reason text,
        created_at timestamptz not null default now(),
        deadline_at timestamptz,
        ended_at timestamptz,
        aggregate jsonb,
        -- float32, little endian
        aggregate_update bytea,
        evaluation jsonb
      );
      create index federated_round_active on federated_round (created_at) where ended_at is null;
      create unique index federated_round_one_per_model on federated_round (split_part(release, '@', 1))
        where ended_at is null;
      -- Trained numbers do not compress; trying costs time.
      alter table federated_round alter column aggregate_update set storage external;

      create table round_participant (
        round_id uuid not null references federated_round on delete cascade,
        device_id text not null references device,
        part text not null,
        state text not null,
        samples integer,
        loss double precision,
        norm double precision,
        reason text,
        -- of the update; the same one again is answered as before
        sha256 text,
        update bytea,
        evaluation jsonb,
        updated_at timestamptz not null default now(),
        primary key (round_id, device_id)
      );
      create index round_participant_device on round_participant (device_id, round_id);
      alter table round_participant alter column update set storage external;

      create table round_history (
        id bigint generated always as identity primary key,
        round_id uuid not null references federated_round on delete cascade,
        at timestamptz not null default now(),
        message text not null
      );
      create index round_history_round on round_history (round_id, id);

      create index release_lineage_round on release ((lineage ->> 'round')) where lineage is not null;

      create function notify_rounds() returns trigger language plpgsql as $$
      begin
        perform pg_notify('rounds', '');
        return null;
      end $$;
      create trigger federated_round_notify after insert or update on federated_round
        for each statement execute function notify_rounds();
      create trigger round_participant_notify after update on round_participant
        for each statement execute function notify_rounds();
    `);
    // Rows that each batch of a device changes stay on their page, and in no index, when there is room beside them.
    await runner.query(`
      drop index telemetry_position_received;
      alter table telemetry_position set (fillfactor = 50);
      alter table field_metrics set (fillfactor = 50);
      alter table metrics_minute set (fillfactor = 70);
    `);
    await runner.query(CHANGE_TRIGGERS);
  }

  async down(): Promise<void> {
    throw new Error('Accounts, audit and rounds are not thrown away. Restore a backup from before this migration.');
  }
}
