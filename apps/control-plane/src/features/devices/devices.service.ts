import { type DeviceFacts, matchProfile, type Profile, type ProfileMatch } from '@aviary/hardware';
import type { DeviceSummary, EventRecord, Labels, LearningRecord, Presence, RunningRecord } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import { badRequest, notFound } from '../../infra/problem.ts';
import type { DeviceCertificate } from '../fleet-ca/fleet-ca.ts';
import { readSelector } from './selector-sql.ts';

const SUMMARY = `
  select d.id, d.name, d.profile, d.labels, d.presence,
    ${millisecondsOf('greatest(p.received_at, d.presence_at)')} as "lastSeenAt",
    case when d.running_release is null then null
      else json_build_object('release', d.running_release, 'digest', d.running_digest) end as running,
    a.release as assigned, ${millisecondsOf('d.revoked_at')} as "revokedAt"
  from device d
  left join telemetry_position p on p.device_id = d.id
  left join assignment a on a.device_id = d.id`;

const READMIT = `
  update device set epoch = epoch + 1, labels = labels || $2::jsonb, facts = $3, profile = $4, profile_reasons = $5,
    recipient = $6, certificate_fingerprint = $7, certificate_expires_at = $8, certificate_seen_at = null,
    next_certificate_fingerprint = null, next_certificate_expires_at = null, revoked_at = null,
    presence = 'offline', presence_session = 0, presence_at = now(),
    running_release = null, running_digest = null, running_since = null
  where id = $1 returning epoch`;

/** A sign of life is not written more often than that. */
const HEARD_LATELY_S = 20;

const JOINED = `insert into device_history (device_id, kind, epoch) values ($1, 'joined', $2)`;

const RUNS = `insert into device_history (device_id, kind, release, digest) values ($1, 'runs', $2, $3)`;

/** What becomes a device when it has joined. */
export interface NewDevice {
  readonly id: string;
  readonly name: string;
  readonly labels: Labels;
  readonly facts: DeviceFacts;
  readonly recipient: string;
  readonly certificate: DeviceCertificate;
}

/** The fleet: who is in it, what each device is, and what it last said of itself. */
export class DevicesService {
  constructor(
    private readonly database: Database,
    private readonly profiles: readonly Profile[],
  ) {}

  match(facts: DeviceFacts): ProfileMatch {
    return matchProfile(facts, this.profiles);
  }

  /** @throws ProblemError `profile-unknown` */
  demandProfile(id: string): void {
    if (this.profiles.some((profile) => profile.id === id)) return;
    const known = this.profiles.map((profile) => profile.id).sort();
    throw badRequest('profile-unknown', `Expected one of the profiles ${known.join(', ')}, got "${id}".`);
  }

  /** Adds a device, in the caller's transaction. */
  async add(sql: Sql, device: NewDevice): Promise<void> {
    const match = this.match(device.facts);
    await sql.query(
      `insert into device (id, name, labels, facts, profile, profile_reasons, recipient, certificate_fingerprint,
         certificate_expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        device.id,
        device.name,
        JSON.stringify(device.labels),
        JSON.stringify(device.facts),
        match.profile?.id ?? null,
        JSON.stringify(match.reasons),
        device.recipient,
        device.certificate.fingerprint,
        device.certificate.expiresAt,
      ],
    );
    await sql.query('insert into telemetry_position (device_id, epoch, seq) values ($1, 1, 0)', [device.id]);
    await sql.query(JOINED, [device.id, 1]);
  }

  /**
   * Takes a device in again, in the caller's transaction: its epoch rises, what was valid before is dead, and what is
   * numbered within an epoch starts over. What it runs, it will say.
   * @returns the new epoch
   * @throws ProblemError `device-unknown`
   */
  async readmit(sql: Sql, { id, labels, facts, recipient, certificate }: Omit<NewDevice, 'name'>): Promise<number> {
    const match = this.match(facts);
    const [device] = await sql.query<{ epoch: number }>(READMIT, [
      id,
      JSON.stringify(labels),
      JSON.stringify(facts),
      match.profile?.id ?? null,
      JSON.stringify(match.reasons),
      recipient,
      certificate.fingerprint,
      certificate.expiresAt,
    ]);
    if (device === undefined) throw unknownDevice(id);
    await sql.query('update telemetry_position set epoch = $2, seq = 0 where device_id = $1', [id, device.epoch]);
    await sql.query('update assignment set sequence = 1 where device_id = $1', [id]);
    await sql.query('delete from learning_state where device_id = $1', [id]);
    await sql.query(JOINED, [id, device.epoch]);
    return device.epoch;
  }

  /** A page of devices in order of id. @throws ProblemError `selector-invalid` */
  async list(query: { selector?: string | undefined; cursor?: string | undefined; limit: number }) {
    const { where, parameters } =
      query.selector === undefined ? { where: 'true', parameters: [] } : readSelector(query.selector);
    const items = await this.database.query<DeviceSummary>(
      `${SUMMARY} where (${where}) and d.id > $${parameters.length + 1} order by d.id limit $${parameters.length + 2}`,
      [...parameters, query.cursor ?? '', query.limit + 1],
    );
    const more = items.length > query.limit;
    if (more) items.pop();
    return { items, nextCursor: more ? (items.at(-1)?.id ?? null) : null };
  }

  /** @throws ProblemError `device-unknown` */
  async summary(id: string): Promise<DeviceSummary> {
    const [device] = await this.database.query<DeviceSummary>(`${SUMMARY} where d.id = $1`, [id]);
    if (device === undefined) throw unknownDevice(id);
    return device;
  }

  /** Renames a device, sets labels (null removes one). */
  async change(id: string, change: { name?: string | undefined; labels?: Record<string, string | null> | undefined }) {
    const set = Object.entries(change.labels ?? {}).filter(([, value]) => value !== null);
    const removed = Object.entries(change.labels ?? {}).filter(([, value]) => value === null);
    await this.database.transaction(async (sql) => {
      const changed = await sql.query(
        `update device set name = coalesce($2, name), labels = (labels || $3::jsonb) - $4::text[]
         where id = $1 returning id`,
        [id, change.name ?? null, JSON.stringify(Object.fromEntries(set)), removed.map(([key]) => key)],
      );
      if (changed.length === 0) throw unknownDevice(id);
    });
    return this.summary(id);
  }

  /**
   * A connection began or ended, or a device that has nothing else to say says that it is still there. An older session's
   * last words change nothing; what is known already is a sign of life, once in a while.
   */
  async recordPresence(deviceId: string, presence: Presence): Promise<void> {
    await this.database.query(
      `with changed as (
         update device set presence = $2, presence_session = $3, presence_at = now()
         where id = $1 and (presence_session < $3 or (presence_session = $3 and presence <> $2))
           and revoked_at is null
       )
       update telemetry_position p set received_at = now()
       from device d
       where $2 = 'online' and p.device_id = $1 and d.id = $1 and d.presence_session <= $3 and d.revoked_at is null
         and coalesce(p.received_at, '-infinity') < now() - make_interval(secs => $4)`,
      [deviceId, presence.online ? 'online' : 'offline', presence.session, HEARD_LATELY_S],
    );
  }

  /** The one embedded gateway has just started: nobody is connected, whatever a killed one has left behind. */
  async markAllOffline(): Promise<void> {
    await this.database.query(`update device set presence = 'offline' where presence = 'online'`);
  }

  /** Offline by silence too: last wills die with a killed gateway. */
  async markSilentOffline(silenceSeconds: number): Promise<void> {
    await this.database.query(
      `update device d set presence = 'offline' from telemetry_position p
       where p.device_id = d.id and d.presence = 'online'
         and greatest(p.received_at, d.presence_at) < now() - make_interval(secs => $1)`,
      [silenceSeconds],
    );
  }

  async recordFacts(sql: Sql, deviceId: string, facts: DeviceFacts): Promise<void> {
    const match = this.match(facts);
    await sql.query('update device set facts = $2, profile = $3, profile_reasons = $4 where id = $1', [
      deviceId,
      JSON.stringify(facts),
      match.profile?.id ?? null,
      JSON.stringify(match.reasons),
    ]);
  }

  /** What serves now. A release that begins to serve starts its sums in the field anew. */
  async recordRunning(sql: Sql, deviceId: string, record: RunningRecord): Promise<void> {
    const changed = await sql.query(
      `update device set running_release = $2, running_digest = $3, running_since = to_timestamp($4::float8 / 1000)
       where id = $1 and (running_release, running_digest) is distinct from ($2, $3) returning id`,
      [deviceId, record.release, record.digest, record.at],
    );
    if (changed.length > 0) await sql.query(RUNS, [deviceId, record.release, record.digest]);
    if (changed.length > 0 && record.release !== null) {
      await sql.query('delete from field_metrics where device_id = $1 and release = $2', [deviceId, record.release]);
    }
  }

  /** How many labelled samples it keeps; a device says so when the numbers have changed. */
  async recordLearning(sql: Sql, deviceId: string, record: LearningRecord): Promise<void> {
    await sql.query(
      `insert into learning_state (device_id, release, backbone, base, samples, per_label, at)
       values ($1, $2, $3, $4, $5, $6, to_timestamp($7::float8 / 1000))
       on conflict (device_id) do update set release = excluded.release, backbone = excluded.backbone,
         base = excluded.base, samples = excluded.samples, per_label = excluded.per_label, at = excluded.at`,
      [
        deviceId,
        record.release,
        record.backbone,
        record.base,
        record.samples,
        JSON.stringify(record.perLabel),
        record.at,
      ],
    );
  }

  async recordEvent(sql: Sql, deviceId: string, event: Omit<EventRecord, 'type'>): Promise<void> {
    await sql.query(
      `insert into device_event (device_id, at, level, code, message)
       values ($1, to_timestamp($2::float8 / 1000), $3, $4, $5)`,
      [deviceId, event.at, event.level, event.code, event.message],
    );
  }
}

export const unknownDevice = (id: string) => notFound('device', id, 'List them with: aviary device list');
