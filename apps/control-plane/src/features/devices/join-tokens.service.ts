import { createHash, randomBytes } from 'node:crypto';
import type { Labels } from '@aviary/protocol';
import type { Database, Sql } from '../../infra/database.ts';
import { conflict } from '../../infra/problem.ts';
import { type DevicesService, unknownDevice } from './devices.service.ts';

/** What lets a board in: what it gets, and what it has to be. */
export interface Admission {
  /** What people call it; null: what it calls itself. */
  readonly name: string | null;
  readonly labels: Labels;
  /** The profile that its facts have to match; null: any. */
  readonly profile: string | null;
  /** The device as which it joins again; null: it becomes a new one. */
  readonly deviceId: string | null;
}

export interface JoinTokenOptions {
  readonly labels: Labels;
  readonly ttlSeconds: number;
  readonly profile?: string | undefined;
  readonly deviceId?: string | undefined;
}

const USE = `
  update join_token set used_at = now(), used_by = coalesce(device_id, $2)
  where secret_hash = $1 and used_at is null and expires_at > now()
  returning null as name, labels, profile, device_id as "deviceId"`;

/** Secrets with which one board may join, once, for a short time; only their hashes are kept. */
export class JoinTokensService {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
  ) {}

  /** @throws ProblemError `profile-unknown`, `device-unknown` */
  async create({
    labels,
    ttlSeconds,
    profile,
    deviceId,
  }: JoinTokenOptions): Promise<{ secret: string; expiresAt: Date }> {
    if (profile !== undefined) this.devices.demandProfile(profile);
    const secret = randomBytes(24).toString('base64url');
    const expiresAt = new Date(Date.now() + ttlSeconds * 1000);
    await this.database.transaction(async (sql) => {
      const id = crypto.randomUUID();
      const made = await sql.query(
        `insert into join_token (id, secret_hash, labels, expires_at, profile, device_id)
         select $1, $2, $3, $4, $5, $6 where $6::text is null or exists (select 1 from device where id = $6) returning id`,
        [id, hashSecret(secret), JSON.stringify(labels), expiresAt, profile ?? null, deviceId ?? null],
      );
      if (made.length === 0) throw unknownDevice(deviceId ?? '');
      return { id };
    });
    return { secret, expiresAt };
  }

  /**
   * Uses a secret up, in the caller's transaction: it stays good when that fails.
   * @param newDeviceId who used it, unless it is for a device that there is
   * @throws ProblemError `join-token-invalid`, telling the holder of a real one what happened to it
   */
  async use(sql: Sql, secret: string, newDeviceId: string): Promise<Admission> {
    const hash = hashSecret(secret);
    const [used] = await sql.query<Admission>(USE, [hash, newDeviceId]);
    if (used !== undefined) return used;
    const [known] = await sql.query<{ used: boolean; by: string | null }>(
      'select used_at is not null as used, used_by as by from join_token where secret_hash = $1',
      [hash],
    );
    if (known?.used === true) {
      throw conflict(
        'join-token-invalid',
        `The join token was used already, by device ${known.by}. If that is this board, and it never got the answer: aviary device enroll-token --device ${known.by}`,
      );
    }
    const what = known === undefined ? 'is not known here' : 'has expired';
    throw conflict('join-token-invalid', `The join token ${what}. Make a new one with: aviary device enroll-token`);
  }
}

const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();
