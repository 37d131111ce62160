import type { Sql } from '../../infra/database.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import type { OperatorProfilesService } from '../operator-profiles/operator-profiles.service.ts';
import type { ExecutionsService } from '../rollouts/executions.service.ts';
import type { ReceivedBatch } from './telemetry-batch.ts';

/** Acts on the records of stored batches other than metrics, within the transaction that stores them. */
export class RecordHandlers {
  constructor(
    private readonly devices: DevicesService,
    private readonly executions: ExecutionsService,
    private readonly operatorProfiles: OperatorProfilesService,
  ) {}

  async apply(sql: Sql, batches: readonly ReceivedBatch[]): Promise<void> {
    for (const { deviceId, records } of batches) {
      for (const record of records) {
        switch (record.type) {
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
          case 'learning':
            await this.devices.recordLearning(sql, deviceId, record);
            break;
          case 'operator-profile':
            await this.operatorProfiles.record(sql, deviceId, record);
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
  }
}
