import type { DeviceFacts } from '@aviary/hardware';
import type { DeviceChoice, DeviceDetail, DeviceExecution, FieldMetrics, MetricsMinute } from '@aviary/protocol';
import { type Database, millisecondsOf } from '../../infra/database.ts';
import { badRequest } from '../../infra/problem.ts';
import type { ReleasesService } from '../registry/releases.service.ts';
import type { VariantChooser } from '../registry/variant-chooser.ts';
import { DEVICE_EXECUTION } from './device-history.ts';
import type { DevicesService } from './devices.service.ts';

const HOUR_MS = 3_600_000;
const MOST_MINUTES = 1_440;
const MOST_EXECUTIONS = 100;

const DETAIL = `
  select case
      when d.running_release is null then null
      when not exists (select 1 from variant v
        where v.release = d.running_release and v.plaintext_sha256 = d.running_digest) then 'unknown'
      when a.release = d.running_release or exists (select 1 from execution e join rollout r on r.id = e.rollout_id
        where e.device_id = d.id and e.variant is not null and r.release = d.running_release) then 'assigned'
      else 'factory' end as origin,
    ${millisecondsOf('d.enrolled_at')} as "enrolledAt", d.epoch, d.facts, d.profile_reasons as "profileReasons",
    json_build_object('fingerprint', d.certificate_fingerprint,
      'expiresAt', ${millisecondsOf('d.certificate_expires_at')}) as certificate,
    (select json_build_object('at', ${millisecondsOf('f.updated_at')}, 'state', f.board) from field_metrics f
      where f.device_id = d.id and f.board is not null order by f.updated_at desc limit 1) as board,
    case when l.device_id is not null then json_build_object('backbone', l.backbone, 'release', l.release,
      'samples', l.samples, 'perLabel', l.per_label, 'at', ${millisecondsOf('l.at')}) end as learning,
    -- A restored database may not know what its devices run.
    (select r.name from release r where r.name = coalesce(a.release, d.running_release)) as release
  from device d
  left join assignment a on a.device_id = d.id
  left join learning_state l on l.device_id = d.id
  where d.id = $1`;

const FIELD = `
  select release, ${millisecondsOf('since')} as since, frames::float8 as frames,
    dropped::float8 as dropped, errors::float8 as errors, low_confidence::float8 as "lowConfidence",
    labelled::float8 as labelled, correct::float8 as correct, latency_p95_ms as "latencyP95Ms",
    effective_provider as "effectiveProvider"
  from field_metrics where device_id = $1 order by since`;

const EVENTS = `
  select ${millisecondsOf('at')} as at, level, code, message
  from device_event e where device_id = $1 order by e.at desc limit 100`;

const MINUTES = `
  select ${millisecondsOf('minute')} as at, release, frames::float8 as frames, dropped::float8 as dropped,
    errors::float8 as errors, low_confidence::float8 as "lowConfidence", labelled::float8 as labelled,
    correct::float8 as correct, latency_sum_ms / nullif(frames, 0) as "latencyMeanMs",
    case when frames > 0 then latency_max_ms end as "latencyMaxMs"
  from metrics_minute
  where device_id = $1 and minute >= to_timestamp($2::float8 / 1000) and minute <= to_timestamp($3::float8 / 1000)
  order by minute desc, release desc limit ${MOST_MINUTES}`;

const EXECUTIONS = `
  select ${DEVICE_EXECUTION}
  from execution e join rollout r on r.id = e.rollout_id
  where e.device_id = $1 order by e.created_at desc, e.id limit ${MOST_EXECUTIONS}`;

interface DetailRow
  extends Pick<
    DeviceDetail,
    'origin' | 'enrolledAt' | 'epoch' | 'facts' | 'profileReasons' | 'certificate' | 'learning' | 'board'
  > {
  /** What it is to run, else what it runs. */
  readonly release: string | null;
}

/** What a person sees who looks at one device. */
export class DevicePagesService {
  constructor(
    private readonly database: Database,
    private readonly devices: DevicesService,
    private readonly releases: ReleasesService,
    private readonly chooser: VariantChooser,
  ) {}

  /** @throws ProblemError `device-unknown` */
  async show(id: string): Promise<DeviceDetail> {
    const summary = await this.devices.summary(id);
    const [row] = await this.database.query<DetailRow>(DETAIL, [id]);
    if (row === undefined) throw new Error(`device ${id} went away while it was looked at`);
    const { release, ...detail } = row;
    return {
      ...summary,
      ...detail,
      choice: release === null ? null : await this.choose(release, { facts: row.facts, profile: summary.profile }),
      field: await this.database.query<FieldMetrics>(FIELD, [id]),
      events: await this.database.query<DeviceDetail['events'][number]>(EVENTS, [id]),
    };
  }

  /** Minute by minute, oldest first; of a longer time the newest day. @throws ProblemError `range-invalid` */
  async metrics(
    id: string,
    range: { since?: number | undefined; until?: number | undefined },
  ): Promise<{ items: MetricsMinute[] }> {
    const until = range.until ?? Date.now();
    const since = range.since ?? until - HOUR_MS;
    if (since > until) {
      throw badRequest('range-invalid', `Expected "since" before "until", got ${since} and ${until} (ms since 1970).`);
    }
    await this.devices.summary(id);
    const newestFirst = await this.database.query<MetricsMinute>(MINUTES, [id, since, until]);
    return { items: newestFirst.reverse() };
  }

  /** Its part in rollouts, newest first. */
  async executions(id: string): Promise<{ items: DeviceExecution[] }> {
    await this.devices.summary(id);
    return { items: await this.database.query<DeviceExecution>(EXECUTIONS, [id]) };
  }

  /** Which variant of a release it would get, assigned or not. @throws ProblemError `device-unknown`, `release-unknown` */
  async choice(id: string, release: string): Promise<DeviceChoice> {
    const { profile } = await this.devices.summary(id);
    const [row] = await this.database.query<Pick<DetailRow, 'facts'>>('select facts from device where id = $1', [id]);
    if (row === undefined) throw new Error(`device ${id} went away while it was looked at`);
    return this.choose(release, { facts: row.facts, profile });
  }

  private async choose(release: string, device: { facts: DeviceFacts; profile: string | null }): Promise<DeviceChoice> {
    const { target, refusal, words, considered } = this.chooser.choose(device, await this.releases.get(release));
    return {
      release,
      profile: device.profile,
      variant: target?.variant ?? null,
      refusal,
      words: [...words],
      considered: considered.map(({ variant, rank, behind, rejections }) => {
        const { id, runtime, format, precision } = variant;
        return { variant: id, runtime, format, precision, rank, behind, rejections: [...rejections] };
      }),
    };
  }
}
