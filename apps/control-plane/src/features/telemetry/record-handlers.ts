import type { MetricsRecord } from '@aviary/protocol';
import type { Sql } from '../../infra/database.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import type { ExecutionsService } from '../rollouts/executions.service.ts';
import type { ReceivedBatch } from './telemetry-batch.ts';

const FIELD_METRICS = `
  insert into field_metrics as f (device_id, release, since, updated_at, frames, dropped, errors, low_confidence,
    labelled, correct, latency_p95_ms, effective_provider, requested_provider)
  select device_id, release, min(at), max(at), sum(frames), sum(dropped), sum(errors), sum(low_confidence),
    sum(labelled), sum(correct), (array_agg(p95 order by at desc) filter (where frames > 0))[1],
    (array_agg(effective order by at desc))[1], (array_agg(requested order by at desc))[1]
  from incoming group by device_id, release
  on conflict (device_id, release) do update set
    updated_at = greatest(f.updated_at, excluded.updated_at), frames = f.frames + excluded.frames,
    dropped = f.dropped + excluded.dropped, errors = f.errors + excluded.errors,
    low_confidence = f.low_confidence + excluded.low_confidence, labelled = f.labelled + excluded.labelled,
    correct = f.correct + excluded.correct, latency_p95_ms = coalesce(excluded.latency_p95_ms, f.latency_p95_ms),
    effective_provider = excluded.effective_provider, requested_provider = excluded.requested_provider`;

const MINUTES = `
  insert into metrics_minute as m (device_id, release, minute, frames, dropped, errors, low_confidence, labelled,
    correct, latency_sum_ms, latency_max_ms)
  select device_id, release, date_trunc('minute', at), sum(frames), sum(dropped), sum(errors), sum(low_confidence),
    sum(labelled), sum(correct), sum(latency_sum), max(latency_max)
  from incoming group by 1, 2, 3
  on conflict (device_id, release, minute) do update set
    frames = m.frames + excluded.frames, dropped = m.dropped + excluded.dropped, errors = m.errors + excluded.errors,
    low_confidence = m.low_confidence + excluded.low_confidence, labelled = m.labelled + excluded.labelled,
    correct = m.correct + excluded.correct, latency_sum_ms = m.latency_sum_ms + excluded.latency_sum_ms,
    latency_max_ms = greatest(m.latency_max_ms, excluded.latency_max_ms)`;

/** Both roll-ups in one statement over the metrics of a whole group of batches. */
const ROLL_UP = `
  with incoming as materialized (
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::integer[], $5::integer[], $6::integer[],
      $7::integer[], $8::integer[], $9::integer[], $10::float8[], $11::float8[], $12::float8[], $13::text[], $14::text[])
      as t (device_id, release, at, frames, dropped, errors, low_confidence, labelled, correct, p95, latency_sum,
        latency_max, effective, requested)
    order by device_id
  ), field as (${FIELD_METRICS})
  ${MINUTES}`;

/** Acts on the records of stored batches, within the transaction that stores them. */
export class RecordHandlers {
  constructor(
    private readonly devices: DevicesService,
    private readonly executions: ExecutionsService,
  ) {}

  async apply(sql: Sql, batches: readonly ReceivedBatch[]): Promise<void> {
    const metrics: { deviceId: string; record: MetricsRecord }[] = [];
    for (const { deviceId, records } of batches) {
      for (const record of records) {
        switch (record.type) {
          case 'metrics':
            metrics.push({ deviceId, record });
            break;
          case 'execution':
            await this.executions.report(sql, deviceId, record);
            break;
          case 'running':
            await this.devices.recordRunning(sql, deviceId, record);
            await this.executions.noticeRunning(sql, deviceId, record.release);
            break;
          case 'facts':
            await this.devices.recordFacts(sql, deviceId, record.facts);
            break;
          case 'event':
            await this.devices.recordEvent(sql, deviceId, record);
            break;
          case 'gap':
            await this.devices.recordEvent(sql, deviceId, {
              at: record.at,
              level: 'warning',
              code: 'telemetry-thinned',
              message: `The spool was full; let go until ${new Date(record.until).toISOString()}: ${JSON.stringify(record.thinned)}`,
            });
            break;
        }
      }
    }
    if (metrics.length > 0) await sql.query(ROLL_UP, rollUpColumns(metrics));
  }
}

const rollUpColumns = (metrics: readonly { deviceId: string; record: MetricsRecord }[]): unknown[][] => [
  metrics.map(({ deviceId }) => deviceId),
  metrics.map(({ record }) => record.release),
  metrics.map(({ record }) => new Date(record.at).toISOString()),
  metrics.map(({ record }) => record.frames),
  metrics.map(({ record }) => record.dropped),
  metrics.map(({ record }) => record.errors),
  metrics.map(({ record }) => record.lowConfidence),
  metrics.map(({ record }) => record.labelled),
  metrics.map(({ record }) => record.correct),
  metrics.map(({ record }) => record.latencyMs.p95),
  metrics.map(({ record }) => record.latencyMs.sum),
  metrics.map(({ record }) => record.latencyMs.max),
  metrics.map(({ record }) => record.provider.effective),
  metrics.map(({ record }) => record.provider.requested[0] ?? ''),
];
