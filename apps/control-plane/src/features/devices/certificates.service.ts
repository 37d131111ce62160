import type { RenewResponse } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import { ProblemError } from '../../infra/problem.ts';
import type { FleetCa } from '../fleet-ca/fleet-ca.ts';

/** How long after its expiry a certificate may still be renewed: a device that was in a drawer, or offline. */
export const GRACE_SECONDS = 30 * 86_400;

/** How a certificate that a device shows stands with its device. */
export interface Standing {
  /** `unknown`: no device has it, or has it any more. */
  readonly status: 'current' | 'expired' | 'revoked' | 'unknown';
  /** Since when it has expired, in seconds. */
  readonly expiredSeconds: number;
}

const STANDING = `
  select revoked_at is not null as revoked, certificate_fingerprint <> $2 as renewed,
    certificate_seen_at is null as unseen,
    extract(epoch from now() - case when certificate_fingerprint = $2 then certificate_expires_at
      else next_certificate_expires_at end)::float8 as "expiredSeconds"
  from device where id = $1 and $2 in (certificate_fingerprint, next_certificate_fingerprint)`;

const PROMOTE = `
  update device set certificate_fingerprint = next_certificate_fingerprint,
    certificate_expires_at = next_certificate_expires_at, certificate_seen_at = now(),
    next_certificate_fingerprint = null, next_certificate_expires_at = null
  where id = $1 and revoked_at is null and next_certificate_fingerprint = $2`;

const SEEN = `
  update device set certificate_seen_at = now()
  where id = $1 and certificate_fingerprint = $2 and certificate_seen_at is null`;

// What was renewed before and never seen is let go: its answer was lost.
const RENEW = `
  update device set
    certificate_expires_at = case when certificate_fingerprint = $2 then certificate_expires_at
      else next_certificate_expires_at end,
    certificate_fingerprint = $2, certificate_seen_at = coalesce(certificate_seen_at, now()),
    next_certificate_fingerprint = $3, next_certificate_expires_at = $4
  where id = $1 and revoked_at is null and $2 in (certificate_fingerprint, next_certificate_fingerprint)
  returning id`;

const FALLEN = `
  select t.device_id as "deviceId", t.fingerprint
  from unnest($1::text[], $2::text[]) as t (device_id, fingerprint)
  where not exists (
    select 1 from device d where d.id = t.device_id and d.revoked_at is null
      and ((d.certificate_fingerprint = t.fingerprint and d.certificate_expires_at > now())
        or (d.next_certificate_fingerprint = t.fingerprint and d.next_certificate_expires_at > now())))`;

/** A device that is connected, and the certificate with which it came. */
export interface DeviceSession {
  readonly deviceId: string;
  /** SHA-256 over the certificate's DER, hex. */
  readonly fingerprint: string;
}

/**
 * Which certificates count. A device has one, and for the time of a renewal two: the one before it counts until the device
 * was seen with the new one, so that an answer that was lost locks nobody out.
 */
export class CertificatesService {
  constructor(
    private readonly database: Database,
    private readonly ca: FleetCa,
  ) {}

  /** How a certificate stands now. A renewed one that is shown for the first time takes the place of the one before. */
  async standing({ deviceId, fingerprint }: DeviceSession): Promise<Standing> {
    const [row] = await this.database.query<{
      revoked: boolean;
      renewed: boolean;
      unseen: boolean;
      expiredSeconds: number;
    }>(STANDING, [deviceId, fingerprint]);
    if (row === undefined) return { status: 'unknown', expiredSeconds: 0 };
    const { revoked, renewed, unseen, expiredSeconds } = row;
    if (revoked) return { status: 'revoked', expiredSeconds };
    if (expiredSeconds >= 0) return { status: 'expired', expiredSeconds };
    if (renewed) await this.database.query(PROMOTE, [deviceId, fingerprint]);
    else if (unseen) await this.database.query(SEEN, [deviceId, fingerprint]);
    return { status: 'current', expiredSeconds };
  }

  /** Whether a device may connect with this certificate. */
  async admits(session: DeviceSession): Promise<boolean> {
    return (await this.standing(session)).status === 'current';
  }

  /**
   * Issues the next certificate of a device that has shown its newest one. That one counts on until the next is seen.
   * @throws ProblemError `csr-invalid`; `device-unknown` when something else has replaced or revoked it meanwhile
   */
  async renew({ deviceId, fingerprint }: DeviceSession, csr: string): Promise<RenewResponse> {
    const { pem, ...next } = await this.ca.issueDevice(csr, deviceId);
    await this.database.transaction(async (sql) => {
      const renewed = await sql.query(RENEW, [deviceId, fingerprint, next.fingerprint, next.expiresAt]);
      if (renewed.length > 0) return;
      const words = `The certificate of ${deviceId} was replaced or revoked while it was being renewed. Nothing was issued.`;
      throw new ProblemError(403, 'device-unknown', words);
    });
    return { certificate: pem };
  }

  /** Every device that is revoked. */
  async revoked(): Promise<Set<string>> {
    const rows = await this.database.query<{ id: string }>('select id from device where revoked_at is not null');
    return new Set(rows.map(({ id }) => id));
  }

  /** Of these sessions the ones whose certificate does not count any more: revoked, replaced, or expired. */
  fallen(sessions: readonly DeviceSession[]): Promise<DeviceSession[]> {
    return this.database.query<DeviceSession>(FALLEN, [
      sessions.map(({ deviceId }) => deviceId),
      sessions.map(({ fingerprint }) => fingerprint),
    ]);
  }
}
