import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The first schema: access, devices, registry, director, rollouts, telemetry, outbox. */
export class Initial1764000000000 implements MigrationInterface {
  name = 'Initial1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table secret (
        name text primary key,
        sealed bytea not null,
        public_part text not null,
        created_at timestamptz not null default now()
      );

      create table join_token (
        id uuid primary key default gen_random_uuid(),
        secret_hash bytea not null unique,
        labels jsonb not null,
        expires_at timestamptz not null,
        created_at timestamptz not null default now(),
        used_at timestamptz,
        used_by text
      );

      create table device (
        id text primary key,
        name text not null,
        labels jsonb not null default '{}',
        facts jsonb not null,
        profile text,
        profile_reasons jsonb not null default '[]',
        bucket integer not null default floor(random() * 2147483648)::integer,
        epoch integer not null default 1,
        recipient text not null,
        certificate_fingerprint text not null,
        certificate_expires_at timestamptz not null,
        enrolled_at timestamptz not null default now(),
        presence text not null default 'offline',
        presence_session bigint not null default 0,
        presence_at timestamptz,
        running_release text,
        running_digest text,
        running_since timestamptz
      );
      create index device_profile_bucket on device (profile, bucket);
      create index device_labels on device using gin (labels jsonb_path_ops);
      create index device_running_release on device (running_release);

      create table publisher (
        key_id text primary key,
        name text not null,
        public_key text not null,
        created_at timestamptz not null default now()
      );

      create table release (
        name text primary key,
        model text not null,
        version text not null,
        release_counter integer not null,
        rollback_floor integer not null,
        publisher_key_id text not null references publisher,
        statement jsonb not null,
        published_at timestamptz not null default now(),
        unique (model, release_counter)
      );

      create table variant (
        release text not null references release,
        id text not null,
        target jsonb not null,
        sha256 text not null,
        length bigint not null,
        plaintext_sha256 text not null,
        sealed_file_key bytea not null,
        primary key (release, id)
      );

      create table rollout (
        id uuid primary key default gen_random_uuid(),
        release text not null references release,
        model text not null,
        target text not null,
        spec jsonb not null,
        state text not null,
        reason text,
        bucket_offset integer not null,
        state_since timestamptz not null default now(),
        created_at timestamptz not null default now(),
        started_at timestamptz,
        ended_at timestamptz
      );
      create index rollout_active on rollout (created_at)
        where state not in ('FINISHED', 'STOPPED', 'ROLLED_BACK', 'APPROVAL_DENIED');

      create table wave (
        rollout_id uuid not null references rollout on delete cascade,
        index integer not null,
        state text not null,
        planned integer not null,
        strata jsonb not null,
        counts jsonb not null default '{}',
        started_at timestamptz,
        soak_until timestamptz,
        ended_at timestamptz,
        primary key (rollout_id, index)
      );

      create table execution (
        id uuid primary key default gen_random_uuid(),
        rollout_id uuid not null references rollout on delete cascade,
        wave_index integer,
        device_id text not null references device,
        kind text not null,
        state text not null,
        diverged boolean not null default false,
        variant text,
        from_release text references release,
        reason_code text,
        reason text,
        deadline_at timestamptz not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        ended_at timestamptz,
        unique (rollout_id, device_id, kind)
      );
      create index execution_wave on execution (rollout_id, wave_index, state);
      create index execution_device on execution (device_id, created_at);
      create unique index execution_one_active_per_device on execution (device_id)
        where ended_at is null;
      create index execution_deadline on execution (deadline_at) where ended_at is null;

      create table gate_result (
        rollout_id uuid not null,
        wave_index integer not null,
        gate text not null,
        verdict text not null,
        words text not null,
        detail jsonb not null,
        at timestamptz not null default now(),
        primary key (rollout_id, wave_index, gate),
        foreign key (rollout_id, wave_index) references wave on delete cascade
      );

      create table rollout_history (
        id bigint generated always as identity primary key,
        rollout_id uuid not null references rollout on delete cascade,
        at timestamptz not null default now(),
        message text not null
      );
      create index rollout_history_rollout on rollout_history (rollout_id, id);

      create table assignment (
        device_id text primary key references device,
        sequence bigint not null,
        release text references release,
        variant text,
        previous_release text references release,
        rollout_id uuid,
        execution_id uuid,
        probation jsonb,
        updated_at timestamptz not null default now()
      );

      create table outbox (
        id bigint generated always as identity primary key,
        device_id text not null,
        channel text not null,
        payload jsonb not null,
        created_at timestamptz not null default now()
      );

      create table telemetry_position (
        device_id text primary key references device,
        epoch integer not null,
        seq bigint not null,
        received_at timestamptz
      );
      create index telemetry_position_received on telemetry_position (received_at);

      create table telemetry_batch (
        device_id text not null,
        epoch integer not null,
        seq bigint not null,
        received_at timestamptz not null default now(),
        -- The message as it came, deflated (RFC 1950). Nothing reads it to draw a chart.
        payload bytea not null
      ) partition by range (received_at);
      create table telemetry_batch_default partition of telemetry_batch default;
      create index telemetry_batch_received on telemetry_batch using brin (received_at);

      create table field_metrics (
        device_id text not null references device,
        release text not null,
        since timestamptz not null,
        updated_at timestamptz not null,
        frames bigint not null,
        dropped bigint not null,
        errors bigint not null,
        low_confidence bigint not null,
        labelled bigint not null,
        correct bigint not null,
        latency_p95_ms double precision,
        effective_provider text,
        requested_provider text,
        primary key (device_id, release)
      );
      create index field_metrics_release on field_metrics (release);

      create table metrics_minute (
        device_id text not null,
        release text not null,
        minute timestamptz not null,
        frames bigint not null,
        dropped bigint not null,
        errors bigint not null,
        low_confidence bigint not null,
        labelled bigint not null,
        correct bigint not null,
        latency_sum_ms double precision not null,
        latency_max_ms double precision not null,
        primary key (device_id, release, minute)
      );

      create table device_event (
        device_id text not null references device,
        at timestamptz not null,
        received_at timestamptz not null default now(),
        level text not null,
        code text not null,
        message text not null
      );
      create index device_event_device on device_event (device_id, at desc);
    `);

    // Wave progress is read from counters that move with each transition, whoever writes it, so that reading it costs
    // the number of waves and not the number of devices.
    await runner.query(`
      create function count_execution_state() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' and old.state = new.state then
          return null;
        end if;
        update wave set counts = counts
          || case when tg_op = 'UPDATE' then
               jsonb_build_object(old.state, coalesce((counts ->> old.state)::integer, 0) - 1)
             else '{}'::jsonb end
          || jsonb_build_object(new.state, coalesce((counts ->> new.state)::integer, 0) + 1)
        where rollout_id = new.rollout_id and index = new.wave_index;
        return null;
      end $$;
      create trigger execution_counts after insert or update of state on execution
        for each row when (new.wave_index is not null) execute function count_execution_state();

      create function notify_outbox() returns trigger language plpgsql as $$
      begin
        perform pg_notify('outbox', '');
        return null;
      end $$;
      create trigger outbox_notify after insert on outbox
        for each statement execute function notify_outbox();

      create function notify_rollouts() returns trigger language plpgsql as $$
      begin
        perform pg_notify('rollouts', '');
        return null;
      end $$;
      create trigger execution_notify after insert or update on execution
        for each statement execute function notify_rollouts();
      create trigger rollout_notify after insert or update on rollout
        for each statement execute function notify_rollouts();
    `);
  }

  async down(): Promise<void> {
    throw new Error('The first schema has nothing before it. Drop the database instead.');
  }
}
