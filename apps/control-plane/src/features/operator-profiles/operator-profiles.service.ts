import type { OperatorProfileRecord, OperatorProfileTask, RequestedProfile } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import { conflict, ProblemError, TryLaterError } from '../../infra/problem.ts';
import { unknownDevice } from '../devices/devices.service.ts';

/** What is kept of each device. */
const KEPT = 5;
/** A profile takes the board's time from what serves: so long it is left alone after one. */
const REST_SECONDS = 30;
/** A device that has asked so often and never answered has ended over it each time. */
const MOST_TAKEN = 3;

const VIEW = `
  id, frames, requested_by as by, profile, refusal, ${millisecondsOf('requested_at')} as "requestedAt",
  ${millisecondsOf('expires_at')} as "expiresAt", ${millisecondsOf('ended_at')} as "endedAt",
  case when profile is not null then 'DONE' when refusal is not null then 'REFUSED'
    when expires_at <= clock_timestamp() then 'EXPIRED' else 'WAITING' end as state`;

const NEWEST = `
  select id, ended_at is null and expires_at > clock_timestamp() as open,
    ceil(extract(epoch from ended_at + make_interval(secs => $2) - clock_timestamp()))::integer as rest
  from operator_profile where device_id = $1 order by requested_at desc limit 1`;

const REQUEST = `
  insert into operator_profile (device_id, frames, requested_by, requested_at, expires_at)
  values ($1, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4)) returning ${VIEW}`;

const FORGET = `
  delete from operator_profile where id in
    (select id from operator_profile where device_id = $1 order by requested_at desc offset $2)`;

const RING = `insert into outbox (device_id, channel, payload) values ($1, 'doorbell', '{"reason":"operator-profile"}')`;

/** Pages about the device read this again. */
const TELL = `select record_change('devices', array[$1::text])`;

const TAKE = `
  update operator_profile set times_taken = times_taken + 1
  where id = (select id from operator_profile
    where device_id = $1 and ended_at is null and expires_at > clock_timestamp() and times_taken < $2
    order by requested_at limit 1)
  returning id, frames, ${millisecondsOf('expires_at')} as "expiresAt"`;

// A profile counts whenever it comes: what was refused, or waited for too long, was no profile.
const RECORD = `
  update operator_profile set profile = $3, refusal = $4, ended_at = clock_timestamp()
  where id = $1 and device_id = $2 and profile is null`;

/** What devices are asked to measure of their operators, one profile of a device at a time. */
export class OperatorProfilesService {
  constructor(private readonly database: Database) {}

  /**
   * Asks, and rings at the device.
   * @param by who asks
   * @throws ProblemError `device-unknown`, `device-revoked`, `operator-profile-open`, `operator-profile-too-soon`
   */
  request(
    deviceId: string,
    { frames, expiresInSeconds }: { readonly frames: number; readonly expiresInSeconds: number },
    by: string,
  ): Promise<RequestedProfile> {
    return this.database.transaction(async (sql) => {
      // The lock lets one request at a time see that there is no other.
      const [device] = await sql.query<{ revoked: boolean }>(
        'select revoked_at is not null as revoked from device where id = $1 for no key update',
        [deviceId],
      );
      if (device === undefined) throw unknownDevice(deviceId);
      if (device.revoked) {
        throw conflict(
          'device-revoked',
          `Expected a device of the fleet, ${deviceId} was revoked: nothing reaches it.`,
        );
      }
      const [newest] = await sql.query<{ open: boolean; rest: number | null }>(NEWEST, [deviceId, REST_SECONDS]);
      if (newest?.open === true) {
        throw conflict(
          'operator-profile-open',
          `Expected no other profile under way on ${deviceId}, one is. Wait for it: aviary device profile ${deviceId} --last`,
        );
      }
      if (newest?.rest !== null && newest !== undefined && newest.rest > 0) {
        const words = `Expected ${REST_SECONDS} seconds between two profiles of ${deviceId}: each takes its time from what serves. Try again in ${newest.rest} s.`;
        throw new TryLaterError('operator-profile-too-soon', words, newest.rest);
      }
      const [requested] = await sql.query<RequestedProfile>(REQUEST, [deviceId, frames, by, expiresInSeconds]);
      if (requested === undefined) throw new Error('an insert answers its row');
      await sql.query(FORGET, [deviceId, KEPT]);
      await sql.query(RING, [deviceId]);
      await sql.query(TELL, [deviceId]);
      return requested;
    });
  }

  /** The newest first. @throws ProblemError `device-unknown` */
  async list(deviceId: string): Promise<{ items: RequestedProfile[] }> {
    const items = await this.database.query<RequestedProfile>(
      `select ${VIEW} from operator_profile where device_id = $1 order by requested_at desc limit ${KEPT}`,
      [deviceId],
    );
    if (items.length === 0) {
      const [device] = await this.database.query('select 1 from device where id = $1', [deviceId]);
      if (device === undefined) throw unknownDevice(deviceId);
    }
    return { items };
  }

  /** What the device is asked for now. @throws ProblemError `operator-profile-none` (404) */
  async taskOf(deviceId: string): Promise<OperatorProfileTask> {
    const [task] = await this.database.query<OperatorProfileTask>(TAKE, [deviceId, MOST_TAKEN]);
    if (task !== undefined) return task;
    throw new ProblemError(404, 'operator-profile-none', 'Nobody asks this device for an operator profile now.');
  }

  /** Notes what came of a request of this device, in the caller's transaction; one that nobody knows any more is let go. */
  async record(sql: Sql, deviceId: string, { request, profile, refusal }: OperatorProfileRecord): Promise<void> {
    if (profile === null && refusal === null) return;
    await sql.query(RECORD, [
      request,
      deviceId,
      profile === null ? null : JSON.stringify(profile),
      refusal === null ? null : JSON.stringify(refusal),
    ]);
    await sql.query(TELL, [deviceId]);
  }
}
