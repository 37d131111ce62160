import type { AssignmentResponse } from '@aviary/protocol';
import { createHeader, type Probation, type SwitchTerms, signAssignment } from '@aviary/release';
import type { Database, Sql } from '../../infra/database.ts';
import { notFound } from '../../infra/problem.ts';
import type { ReleasesService } from '../registry/releases.service.ts';
import type { OnlineKeys } from '../trust/online-keys.ts';
import type { TrustService } from '../trust/trust.service.ts';

/** Long enough for a device that is offline half the week, short enough that a recorded one grows useless. */
const LIFETIME_MS = 7 * 86_400_000;

/** One device's next release, as a rollout decides it. */
export interface Assigning {
  readonly deviceId: string;
  readonly release: string;
  readonly variant: string;
  readonly rolloutId: string;
  readonly executionId: string;
}

interface AssignmentRow {
  readonly sequence: number;
  readonly release: string | null;
  readonly variant: string;
  readonly rolloutId: string;
  readonly executionId: string;
  readonly probation: Probation;
  readonly terms: SwitchTerms | null;
  readonly epoch: number;
  readonly recipient: string;
}

const ASSIGN = `
  insert into assignment as a (device_id, sequence, release, variant, rollout_id, execution_id, probation, terms)
  select device_id, 1, release, variant, $4, execution_id, $6, $7
  from unnest($1::text[], $2::text[], $3::text[], $5::uuid[]) as t (device_id, release, variant, execution_id)
  on conflict (device_id) do update set sequence = a.sequence + 1, previous_release = a.release,
    release = excluded.release, variant = excluded.variant, rollout_id = excluded.rollout_id,
    execution_id = excluded.execution_id, probation = excluded.probation, terms = excluded.terms,
    updated_at = now()`;

// What the device ran before must stay assigned, under a new sequence: with the failed release still assigned, a
// device that lost its memory of the failure would try it again. Whoever had decided on that decides about it again.
const REVERT = `
  update assignment a set sequence = a.sequence + 1, release = e.from_release, previous_release = null,
    variant = coalesce(e.from_variant, (select v.variant from execution v join rollout r on r.id = v.rollout_id
      where v.device_id = a.device_id and v.kind = 'install' and v.variant is not null and r.release = e.from_release
      order by v.created_at desc limit 1)),
    rollout_id = coalesce(e.from_rollout, a.rollout_id), execution_id = gen_random_uuid(), terms = null,
    updated_at = now()
  from execution e
  where e.id = any ($1) and a.device_id = e.device_id and a.execution_id = e.id
  returning a.device_id as "deviceId"`;

const DOORBELL = `
  insert into outbox (device_id, channel, payload)
  select device_id, 'doorbell', '{"reason":"assignment"}' from unnest($1::text[]) as t (device_id)`;

const READ = `
  select a.sequence::float8 as sequence, a.release, a.variant, a.rollout_id as "rolloutId",
    a.execution_id as "executionId", a.probation, a.terms, d.epoch, d.recipient
  from assignment a join device d on d.id = a.device_id where a.device_id = $1`;

/** Issues each device's signed assignment. What it signs with is not what signs releases. */
export class DirectorService {
  constructor(
    private readonly database: Database,
    private readonly releases: ReleasesService,
    private readonly trust: TrustService,
    private readonly keys: OnlineKeys,
  ) {}

  /**
   * Assigns in the caller's transaction, and rings at the devices.
   * @param terms on which they may switch; null: as soon as they can
   */
  async assign(
    sql: Sql,
    assignings: readonly Assigning[],
    probation: Probation,
    terms: SwitchTerms | null,
  ): Promise<void> {
    const [first] = assignings;
    if (first === undefined) return;
    const devices = assignings.map(({ deviceId }) => deviceId);
    await sql.query(ASSIGN, [
      devices,
      assignings.map(({ release }) => release),
      assignings.map(({ variant }) => variant),
      first.rolloutId,
      assignings.map(({ executionId }) => executionId),
      JSON.stringify(probation),
      terms === null ? null : JSON.stringify(terms),
    ]);
    await sql.query(DOORBELL, [devices]);
  }

  /**
   * Assigns again what was assigned before these installations, which have failed or were only to fetch something, where
   * they are the last that was assigned.
   */
  async revert(sql: Sql, executionIds: readonly string[]): Promise<void> {
    const rows = await sql.query<{ deviceId: string }>(REVERT, [executionIds]);
    if (rows.length > 0) await sql.query(DOORBELL, [rows.map(({ deviceId }) => deviceId)]);
  }

  /**
   * What a device should run, signed for it at this moment, with the file key sealed to its own recipient.
   * @throws ProblemError `assignment-unknown` (404) when nothing was ever assigned
   */
  async assignmentOf(deviceId: string): Promise<AssignmentResponse> {
    const [row] = await this.database.query<AssignmentRow>(READ, [deviceId]);
    if (row === undefined || row.release === null || row.variant === null) {
      throw notFound('assignment', deviceId, 'Nothing was assigned to this device yet; keep what runs.');
    }
    const { statement, revoked } = await this.releases.get(row.release);
    if (revoked) throw notFound('assignment', deviceId, `${row.release} was revoked since; keep what runs.`);
    const target = statement.targets.find(({ variant }) => variant === row.variant);
    if (target === undefined) throw new Error(`${row.release} has no variant ${row.variant}`);
    const header = createHeader(await this.releases.fileKey(row.release, row.variant), row.recipient);
    const now = Date.now();
    const assignment = signAssignment(
      {
        deviceId,
        epoch: row.epoch,
        sequence: row.sequence,
        issuedAt: now,
        expires: now + LIFETIME_MS,
        release: row.release,
        releaseCounter: statement.releaseCounter,
        targetPath: target.path,
        variant: row.variant,
        ageHeader: header.toString('base64'),
        rolloutId: row.rolloutId,
        executionId: row.executionId,
        probation: row.probation,
        ...(row.terms === null ? {} : { terms: row.terms }),
      },
      await this.keys.signersFor('director', await this.trust.directorKeyIds()),
    );
    return { assignment };
  }

  /** Whether a blob belongs to the release that the device is, or was just before, to run. */
  async mayRead(deviceId: string, sha256: string): Promise<boolean> {
    const rows = await this.database.query(
      `select 1 from assignment a join variant v on v.release in (a.release, a.previous_release)
       where a.device_id = $1 and v.sha256 = $2`,
      [deviceId, sha256],
    );
    return rows.length > 0;
  }
}
