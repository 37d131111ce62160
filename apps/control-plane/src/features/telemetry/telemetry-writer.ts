import type { TelemetryAck } from '@aviary/protocol';
import type { Database, Sql } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import type { RecordHandlers } from './record-handlers.ts';
import { storeBatches } from './store-batches.ts';
import type { ReceivedBatch } from './telemetry-batch.ts';

/** SQLSTATE classes of what no repetition heals: data, and constraints, that the database refuses. */
const DATA_ERROR = /^2[23]/;

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
    try {
      return await this.writeTogether(batches);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [first] = batches;
      if (first === undefined || batches.length > 1) return this.writeOneByOne(batches);
      if (first.records.length === 0 && first.metrics.length === 0) throw error;
      // It keeps its place and its device goes on; what it says is there to be looked at.
      const reason = `the database refuses what it says: ${error.message}`;
      return this.writeTogether([{ ...first, records: [], metrics: [], refused: [...first.refused, reason] }]);
    }
  }

  /** So that one device's nonsense is its own only. */
  private async writeOneByOne(batches: readonly ReceivedBatch[]): Promise<Map<string, TelemetryAck>> {
    const acks = new Map<string, TelemetryAck>();
    for (const batch of batches) {
      try {
        for (const [deviceId, ack] of await this.write([batch])) acks.set(deviceId, ack);
      } catch (error) {
        if (!isDataError(error)) throw error;
        this.log.warn({ device: batch.deviceId, seq: batch.seq, err: error }, 'a batch was not stored');
      }
    }
    return acks;
  }

  private async writeTogether(batches: readonly ReceivedBatch[]): Promise<Map<string, TelemetryAck>> {
    const acks = new Map<string, TelemetryAck>();
    const stored = await this.store(batches);
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

  /** @returns the devices whose position has moved */
  private store(batches: readonly ReceivedBatch[]): Promise<Set<string>> {
    // Metrics alone, which is nearly always, are one statement: a transaction around it would be three more answers to
    // wait for, each behind everything else that comes in meanwhile.
    if (batches.every(({ records }) => records.length === 0)) return storeBatches(this.database, batches);
    return this.database.transaction(async (sql) => {
      const moved = await storeBatches(sql, batches);
      await this.handlers.apply(
        sql,
        batches.filter((batch) => moved.has(batch.deviceId)),
      );
      return moved;
    });
  }

  private positions(sql: Sql, deviceIds: readonly string[]) {
    return sql.query<{ deviceId: string; epoch: number; seq: number }>(POSITIONS, [deviceIds]);
  }
}

const isDataError = (error: unknown): error is Error =>
  error instanceof Error && DATA_ERROR.test(String((error as { code?: unknown }).code));
