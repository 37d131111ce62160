import type { DeviceSummary } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import type { ParticipationsService } from '../federation/participations.service.ts';
import type { ExecutionsService } from '../rollouts/executions.service.ts';
import type { DevicesService } from './devices.service.ts';
import { unknownDevice } from './devices.service.ts';

/** The session number starts over with the device that comes after it. */
const REVOKE = `
  update device set revoked_at = coalesce(revoked_at, now()), presence = 'offline',
    next_certificate_fingerprint = null, next_certificate_expires_at = null
  where id = $1 returning id`;

// Done again, it is no news.
const TELL = `
  insert into device_history (device_id, kind, actor)
  select $1, 'revoked', $2 from device where id = $1 and revoked_at is null`;

/** Ends a device's membership: a board that was stolen, sold, or that somebody has tampered with. */
export class RevocationService {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
    private readonly executions: ExecutionsService,
    private readonly participations: ParticipationsService,
  ) {}

  /**
   * Refuses the device from the end of this transaction on: its certificate on both planes, and (a notification wakes the
   * gateway) the session that it has. What waits for it goes on without it. Done again, it changes nothing.
   * @param by who asks for it
   * @throws ProblemError `device-unknown`
   */
  async revoke(id: string, by: string): Promise<DeviceSummary> {
    await this.database.transaction(async (sql) => {
      await sql.query(TELL, [id, by]);
      const revoked = await sql.query(REVOKE, [id]);
      if (revoked.length === 0) throw unknownDevice(id);
      await this.executions.removeRevoked(sql, { deviceId: id });
      await this.participations.removeRevoked(sql, id);
    });
    return this.devices.summary(id);
  }
}
