import { constants, deflateSync } from 'node:zlib';
import type { PreparedStatement, Sql } from '../../infra/database.ts';
import { float8Array } from '../../infra/float8-array.ts';
import type { MinuteSum } from './minute-sum.ts';
import type { ReceivedBatch } from './telemetry-batch.ts';

// A batch moves its device's position by exactly one, or it is not stored: re-delivery is harmless, and nothing later
// hides something earlier. Ordered by device so that two gateways never wait for each other in a circle. The messages
// come deflated, as one run of bytes: measured, the database spends 8 µs instead of 150 on one of 16 kB, the gateway 20.
const BATCHES = `
  batch as materialized (
    select * from unnest($1::text[], $2::integer[], $3::bigint[], $4::integer[], $5::integer[])
      as t (device_id, epoch, seq, start, length)
    order by device_id
  ), moved as (
    update telemetry_position p set seq = b.seq, received_at = now()
    from batch b
    where p.device_id = b.device_id and p.epoch = b.epoch and p.seq = b.seq - 1
    returning p.device_id
  ), stored as (
    insert into telemetry_batch (device_id, epoch, seq, payload)
    select b.device_id, b.epoch, b.seq, substr($6::bytea, b.start, b.length)
    from batch b join moved using (device_id)
  )`;

/** The sums of all batches that are stored; each says by number which device and which words it means. */
const METRICS = `
  metrics as materialized (
    select device_id, ($7::text[])[release::integer] as release, to_timestamp(first_ms / 1000) as first_at,
      to_timestamp(last_ms / 1000) as last_at, frames::bigint, dropped::bigint, errors::bigint, low_confidence::bigint,
      labelled::bigint, correct::bigint, p95, p95_sum, latency_sum, latency_max, ($7::text[])[effective::integer] as effective,
      ($7::text[])[requested::integer] as requested, board
    from (
      select ($1::text[])[device::integer] as device_id, t.*
      from unnest($8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[],
        $15::float8[], $16::float8[], $17::float8[], $18::float8[], $19::float8[], $20::float8[], $21::float8[],
        $22::float8[], $23::float8[], $24::text[])
        as t (device, release, effective, requested, first_ms, last_ms, frames, dropped, errors, low_confidence,
          labelled, correct, p95, p95_sum, latency_sum, latency_max, board)
    ) as sums join moved using (device_id)
    order by device_id
  )`;

const FIELD_METRICS = `
  insert into field_metrics as f (device_id, release, since, updated_at, frames, dropped, errors, low_confidence,
    labelled, correct, latency_p95_ms, effective_provider, requested_provider, board)
  select device_id, release, min(first_at), max(last_at), sum(frames), sum(dropped), sum(errors), sum(low_confidence),
    sum(labelled), sum(correct), (array_agg(p95 order by last_at desc) filter (where frames > 0))[1],
    (array_agg(effective order by last_at desc))[1], (array_agg(requested order by last_at desc))[1],
    (array_agg(board order by last_at desc) filter (where board is not null))[1]::jsonb
  from metrics group by device_id, release
  on conflict (device_id, release) do update set
    updated_at = greatest(f.updated_at, excluded.updated_at), frames = f.frames + excluded.frames,
    dropped = f.dropped + excluded.dropped, errors = f.errors + excluded.errors,
    low_confidence = f.low_confidence + excluded.low_confidence, labelled = f.labelled + excluded.labelled,
    correct = f.correct + excluded.correct, latency_p95_ms = coalesce(excluded.latency_p95_ms, f.latency_p95_ms),
    effective_provider = excluded.effective_provider, requested_provider = excluded.requested_provider,
    board = coalesce(excluded.board, f.board)`;

const MINUTES = `
  insert into metrics_minute as m (device_id, release, minute, frames, dropped, errors, low_confidence, labelled,
    correct, latency_p95_sum_ms, latency_sum_ms, latency_max_ms)
  select device_id, release, date_trunc('minute', first_at), frames, dropped, errors, low_confidence, labelled,
    correct, p95_sum, latency_sum, latency_max
  from metrics
  on conflict (device_id, release, minute) do update set
    frames = m.frames + excluded.frames, dropped = m.dropped + excluded.dropped, errors = m.errors + excluded.errors,
    low_confidence = m.low_confidence + excluded.low_confidence, labelled = m.labelled + excluded.labelled,
    correct = m.correct + excluded.correct, latency_p95_sum_ms = m.latency_p95_sum_ms + excluded.latency_p95_sum_ms,
    latency_sum_ms = m.latency_sum_ms + excluded.latency_sum_ms,
    latency_max_ms = greatest(m.latency_max_ms, excluded.latency_max_ms)`;

const STORE: PreparedStatement = {
  name: 'store-batches',
  text: `
    with ${BATCHES}, ${METRICS}, field as (${FIELD_METRICS}), minutes as (${MINUTES})
    select device_id from moved`,
};

/** Words that come again and again, each once, and counted from 1 as PostgreSQL counts. */
class Dictionary {
  readonly #numbers = new Map<string, number>();

  get words(): string[] {
    return [...this.#numbers.keys()];
  }

  numberOf(word: string): number {
    const known = this.#numbers.get(word);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(word, number);
    return number;
  }
}

/** A small piece at a time: a deflated message seldom needs a second one, and 16 kB for each would be mostly garbage. */
const DEFLATE = { level: constants.Z_BEST_SPEED, chunkSize: 4096 };

const deflated = (batches: readonly ReceivedBatch[]) => {
  const payloads = batches.map(({ payload }) => deflateSync(payload, DEFLATE));
  // Counted from 1, as substr does.
  let start = 1;
  const starts = payloads.map(({ length }) => {
    const here = start;
    start += length;
    return here;
  });
  return { starts, lengths: payloads.map(({ length }) => length), bytes: Buffer.concat(payloads) };
};

const columnsOf = (batches: readonly ReceivedBatch[]): unknown[] => {
  const words = new Dictionary();
  const sums = batches.flatMap(({ metrics }, index) => metrics.map((sum) => ({ sum, device: index + 1 })));
  // Of a board only the newest state is kept: that of the last sum of each release.
  const newest = new Set(
    batches.flatMap(({ metrics }) => [...new Map(metrics.map((sum) => [sum.release, sum])).values()]),
  );
  const numbers = (of: (sum: MinuteSum) => number | null): Buffer => float8Array(sums.map(({ sum }) => of(sum)));
  const columns = [
    float8Array(sums.map(({ device }) => device)),
    numbers(({ release }) => words.numberOf(release)),
    numbers(({ effective }) => words.numberOf(effective)),
    numbers(({ requested }) => words.numberOf(requested)),
    numbers(({ firstAt }) => firstAt),
    numbers(({ lastAt }) => lastAt),
    numbers(({ frames }) => frames),
    numbers(({ dropped }) => dropped),
    numbers(({ errors }) => errors),
    numbers(({ lowConfidence }) => lowConfidence),
    numbers(({ labelled }) => labelled),
    numbers(({ correct }) => correct),
    numbers(({ p95 }) => p95),
    numbers(({ p95Sum }) => p95Sum),
    numbers(({ latencySum }) => latencySum),
    numbers(({ latencyMax }) => latencyMax),
    sums.map(({ sum }) => (newest.has(sum) ? JSON.stringify(sum.board) : null)),
  ];
  return [words.words, ...columns];
};

/**
 * Stores batches, moves their devices' positions, and adds their metrics to what is known of each release on each device,
 * as a whole and by the minute; all in one statement, whatever the number of batches.
 * @param batches at most one per device
 * @returns the devices whose position has moved: nothing of the others is stored
 */
export const storeBatches = async (sql: Sql, batches: readonly ReceivedBatch[]): Promise<Set<string>> => {
  const { starts, lengths, bytes } = deflated(batches);
  const rows = await sql.query<{ device_id: string }>(STORE, [
    batches.map(({ deviceId }) => deviceId),
    batches.map(({ epoch }) => epoch),
    batches.map(({ seq }) => seq),
    starts,
    lengths,
    bytes,
    ...columnsOf(batches),
  ]);
  return new Set(rows.map((row) => row.device_id));
};
