import type { TelemetryAck } from '@aviary/protocol';
import type { Database, Sql } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import type { RecordHandlers } from './record-handlers.ts';
import type { ReceivedBatch } from './telemetry-batch.ts';

// A batch moves its device's position by exactly one, or it is not stored: re-delivery is harmless, and nothing later
// hides something earlier. Ordered by device so that two gateways never wait for each other in a circle.
const STORE = `
  with incoming as materialized (
    select * from unnest($1::text[], $2::integer[], $3::bigint[], $4::text[]) as t (device_id, epoch, seq, records)
    order by device_id
  ), moved as (
    update telemetry_position p set seq = i.seq, received_at = now()
    from incoming i
    where p.device_id = i.device_id and p.epoch = i.epoch and p.seq = i.seq - 1
    returning p.device_id
  ), stored as (
    insert into telemetry_batch (device_id, epoch, seq, records)
    select i.device_id, i.epoch, i.seq, i.records::json from incoming i join moved using (device_id)
  )
  select device_id from moved`;

const POSITIONS =
  'select device_id as "deviceId", epoch, seq::float8 as seq from telemetry_position where device_id = any ($1)';

/** Stores batches of many devices in one transaction and says how far each device's sequence now reaches. */
export class TelemetryWriter {
  constructor(
    private readonly database: Database,
    private readonly handlers: RecordHandlers,
    private readonly log: Logger,
  ) {}

  /**
   * @param batches at most one per device
   * @returns for each device what to acknowledge: its own number when stored, or where the database stands
   * @throws when the database did not take them; nothing of them is stored then
   */
  async write(batches: readonly ReceivedBatch[]): Promise<Map<string, TelemetryAck>> {
    const acks = new Map<string, TelemetryAck>();
    const stored = await this.database.transaction(async (sql) => {
      const rows = await sql.query<{ device_id: string }>(STORE, [
        batches.map((batch) => batch.deviceId),
        batches.map((batch) => batch.epoch),
        batches.map((batch) => batch.seq),
        batches.map((batch) => batch.raw),
      ]);
      const moved = new Set(rows.map((row) => row.device_id));
      const fresh = batches.filter((batch) => moved.has(batch.deviceId));
      await this.handlers.apply(sql, fresh);
      return moved;
    });
    const behind: string[] = [];
    for (const batch of batches) {
      if (stored.has(batch.deviceId)) acks.set(batch.deviceId, { epoch: batch.epoch, seq: batch.seq });
      else behind.push(batch.deviceId);
      for (const reason of batch.refused) {
        this.log.warn(
          { device: batch.deviceId, seq: batch.seq, reason },
          'a telemetry record was kept but not understood',
        );
      }
    }
    if (behind.length > 0) {
      for (const row of await this.positions(this.database, behind)) {
        acks.set(row.deviceId, { epoch: row.epoch, seq: row.seq });
      }
    }
    return acks;
  }

  private positions(sql: Sql, deviceIds: readonly string[]) {
    return sql.query<{ deviceId: string; epoch: number; seq: number }>(POSITIONS, [deviceIds]);
  }
}
