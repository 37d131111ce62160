import { randomBytes } from 'node:crypto';
import { newProbeId, type Probe } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import { notFound } from '../../infra/problem.ts';
import type { PublicAddresses } from '../../infra/public-addresses.ts';
import type { FleetCa } from '../fleet-ca/fleet-ca.ts';

/** A test takes seconds; what an interrupted one leaves behind is of no use after this. */
const LIFE_SECONDS = 600;

/**
 * Identities with which a deployment is tested as a device would use it. They are no devices: nothing lists them,
 * nothing is assigned to them, and nothing that they say is stored.
 */
export class ProbesService {
  constructor(
    private readonly database: Database,
    private readonly ca: FleetCa,
    private readonly addresses: Pick<PublicAddresses, 'deviceUrl' | 'mqttUrl'>,
  ) {}

  /** @throws ProblemError `csr-invalid` */
  async create(csr: string): Promise<Probe> {
    const id = newProbeId(randomBytes(6).toString('hex'));
    const certificate = await this.ca.issueDevice(csr, id, LIFE_SECONDS);
    await this.database.transaction(async (sql) => {
      await sql.query('delete from probe where expires_at < now()');
      await sql.query('insert into probe (id, certificate_fingerprint, expires_at) values ($1, $2, $3)', [
        id,
        certificate.fingerprint,
        certificate.expiresAt,
      ]);
      return { id };
    });
    const { deviceUrl, mqttUrl } = this.addresses;
    const { pem, expiresAt } = certificate;
    return { id, certificate: pem, fleetCa: this.ca.pem, deviceUrl, mqttUrl, expiresAt: expiresAt.getTime() };
  }

  /** @throws ProblemError `probe-unknown` */
  async remove(id: string): Promise<void> {
    await this.database.transaction(async (sql) => {
      const removed = await sql.query('delete from probe where id = $1 returning id', [id]);
      if (removed.length === 0) throw notFound('probe', id, 'It may have been removed, or have expired.');
    });
  }

  /** Whether this very certificate is that of a probe that lives. */
  async hasCertificate(id: string, fingerprint: string): Promise<boolean> {
    const rows = await this.database.query(
      'select 1 from probe where id = $1 and certificate_fingerprint = $2 and expires_at > now()',
      [id, fingerprint],
    );
    return rows.length === 1;
  }

  async exists(id: string): Promise<boolean> {
    const rows = await this.database.query('select 1 from probe where id = $1 and expires_at > now()', [id]);
    return rows.length === 1;
  }
}
