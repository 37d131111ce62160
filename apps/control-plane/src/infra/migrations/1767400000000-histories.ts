import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who asked for what in a rollout, and what became of each device. */
export class Histories1767400000000 implements MigrationInterface {
  name = 'Histories1767400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- null: the conductor
      alter table rollout_history add column actor text;

      -- What the control plane saw of a device; events are in the device's own words.
      create table device_history (
        id bigint generated always as identity primary key,
        device_id text not null references device,
        at timestamptz not null default now(),
        kind text not null,
        actor text,
        epoch integer,
        release text,
        digest text
      );
      create index device_history_device on device_history (device_id, at desc, id desc);

      -- Pages go on after an event, of which several may have come at one moment.
      alter table device_event add column id bigint generated always as identity;
      drop index device_event_device;
      create index device_event_device on device_event (device_id, at desc, id desc);

      insert into device_history (device_id, at, kind, epoch) select id, enrolled_at, 'joined', 1 from device;
      insert into device_history (device_id, at, kind, release, digest)
        select id, coalesce(running_since, enrolled_at), 'runs', running_release, running_digest from device
        where running_release is not null;
      insert into device_history (device_id, at, kind) select id, revoked_at, 'revoked' from device
        where revoked_at is not null;
    `);
  }

  async down(): Promise<void> {
    throw new Error('What has happened is not forgotten. Restore a backup from before this migration.');
  }
}
