import type { Sql } from '../../infra/database.ts';
import { float8Array } from '../../infra/float8-array.ts';
import type { MinuteSum } from './minute-sum.ts';

const FIELD_METRICS = `
  insert into field_metrics as f (device_id, release, since, updated_at, frames, dropped, errors, low_confidence,
    labelled, correct, latency_p95_ms, effective_provider, requested_provider)
  select device_id, release, min(first_at), max(last_at), sum(frames), sum(dropped), sum(errors), sum(low_confidence),
    sum(labelled), sum(correct), (array_agg(p95 order by last_at desc) filter (where frames > 0))[1],
    (array_agg(effective order by last_at desc))[1], (array_agg(requested order by last_at desc))[1]
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
  select device_id, release, date_trunc('minute', first_at), frames, dropped, errors, low_confidence, labelled,
    correct, latency_sum, latency_max
  from incoming
  on conflict (device_id, release, minute) do update set
    frames = m.frames + excluded.frames, dropped = m.dropped + excluded.dropped, errors = m.errors + excluded.errors,
    low_confidence = m.low_confidence + excluded.low_confidence, labelled = m.labelled + excluded.labelled,
    correct = m.correct + excluded.correct, latency_sum_ms = m.latency_sum_ms + excluded.latency_sum_ms,
    latency_max_ms = greatest(m.latency_max_ms, excluded.latency_max_ms)`;

/** Both roll-ups in one statement over the metrics of a whole group of batches. */
const ROLL_UP = `
  with incoming as materialized (
    select device_id, release, to_timestamp(first_ms / 1000) as first_at, to_timestamp(last_ms / 1000) as last_at,
      frames::bigint, dropped::bigint, errors::bigint, low_confidence::bigint, labelled::bigint, correct::bigint, p95,
      latency_sum, latency_max, effective, requested
    from unnest($1::text[], $2::text[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::float8[],
      $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::text[], $15::text[])
      as t (device_id, release, first_ms, last_ms, frames, dropped, errors, low_confidence, labelled, correct, p95,
        latency_sum, latency_max, effective, requested)
    order by device_id
  ), field as (${FIELD_METRICS})
  ${MINUTES}`;

/** Adds metrics to what is known of each release on each device, as a whole and by the minute. */
export const rollUp = async (
  sql: Sql,
  batches: readonly { readonly deviceId: string; readonly metrics: readonly MinuteSum[] }[],
): Promise<void> => {
  const sums = batches.flatMap(({ metrics }) => metrics);
  if (sums.length === 0) return;
  const numbers = (of: (sum: MinuteSum) => number | null): Buffer => float8Array(sums.map(of));
  await sql.query(ROLL_UP, [
    batches.flatMap(({ deviceId, metrics }) => metrics.map(() => deviceId)),
    sums.map(({ release }) => release),
    numbers(({ firstAt }) => firstAt),
    numbers(({ lastAt }) => lastAt),
    numbers(({ frames }) => frames),
    numbers(({ dropped }) => dropped),
    numbers(({ errors }) => errors),
    numbers(({ lowConfidence }) => lowConfidence),
    numbers(({ labelled }) => labelled),
    numbers(({ correct }) => correct),
    numbers(({ p95 }) => p95),
    numbers(({ latencySum }) => latencySum),
    numbers(({ latencyMax }) => latencyMax),
    sums.map(({ effective }) => effective),
    sums.map(({ requested }) => requested),
  ]);
};
