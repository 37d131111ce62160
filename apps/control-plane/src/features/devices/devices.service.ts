import { createHash, randomBytes } from 'node:crypto';
import { type DeviceFacts, matchProfile, type Profile } from '@aviary/hardware';
import type { DeviceSummary, EventRecord, Labels, LearningRecord, Presence, RunningRecord } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import { conflict, notFound } from '../../infra/problem.ts';
import type { DeviceCertificate } from '../fleet-ca/fleet-ca.ts';
import { readSelector } from './selector-sql.ts';

const SUMMARY = `
  select d.id, d.name, d.profile, d.labels, d.presence,
    ${millisecondsOf('greatest(p.received_at, d.presence_at)')} as "lastSeenAt",
    case when d.running_release is null then null
      else json_build_object('release', d.running_release, 'digest', d.running_digest) end as running,
    a.release as assigned
  from device d
  left join telemetry_position p on p.device_id = d.id
  left join assignment a on a.device_id = d.id`;

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

  /** Makes a join token's secret; only its hash is kept. */
  async createJoinSecret(labels: Labels, ttlSeconds: number): Promise<{ secret: string; expiresAt: Date }> {
    const secret = randomBytes(24).toString('base64url');
    const expiresAt = new Date(Date.now() + ttlSeconds * 1000);
    await this.database.transaction(async (sql) => {
      const id = crypto.randomUUID();
      await sql.query('insert into join_token (id, secret_hash, labels, expires_at) values ($1, $2, $3, $4)', [
        id,
        hashSecret(secret),
        JSON.stringify(labels),
        expiresAt,
      ]);
      return { id };
    });
    return { secret, expiresAt };
  }

  /**
   * Uses a join secret up, in the caller's transaction.
   * @throws ProblemError `join-token-invalid`, the same words whether unknown, used or expired for a guesser, but
   * telling the holder of a real one what happened to it
   */
  async useJoinSecret(sql: Sql, secret: string, deviceId: string): Promise<Labels> {
    const hash = hashSecret(secret);
    const [used] = await sql.query<{ labels: Labels }>(
      `update join_token set used_at = now(), used_by = $2
       where secret_hash = $1 and used_at is null and expires_at > now() returning labels`,
      [hash, deviceId],
    );
    if (used !== undefined) return used.labels;
    const [known] = await sql.query<{ used: boolean; by: string | null }>(
      'select used_at is not null as used, used_by as by from join_token where secret_hash = $1',
      [hash],
    );
    const what =
      known === undefined
        ? 'is not known here'
        : known.used
          ? `was used already, by device ${known.by}`
          : 'has expired';
    throw conflict('join-token-invalid', `The join token ${what}. Make a new one with: aviary device enroll-token`);
  }

  /** Adds a device, in the caller's transaction. */
  async add(sql: Sql, device: NewDevice): Promise<void> {
    const match = matchProfile(device.facts, this.profiles);
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
  }

  /** Whether this very certificate is the current one of that device. */
  async hasCertificate(deviceId: string, fingerprint: string): Promise<boolean> {
    const rows = await this.database.query('select 1 from device where id = $1 and certificate_fingerprint = $2', [
      deviceId,
      fingerprint,
    ]);
    return rows.length === 1;
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

  /** A connection began or ended; an older session's last words change nothing, nor does what is known already. */
  async recordPresence(deviceId: string, presence: Presence): Promise<void> {
    await this.database.query(
      `update device set presence = $2, presence_session = $3, presence_at = now()
       where id = $1 and (presence_session < $3 or (presence_session = $3 and presence <> $2))`,
      [deviceId, presence.online ? 'online' : 'offline', presence.session],
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
    const match = matchProfile(facts, this.profiles);
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

const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

const unknownDevice = (id: string) => notFound('device', id, 'List them with: aviary device list');
