import { isUtf8 } from 'node:buffer';
import {
  type MetricsRecord,
  type TelemetryRecord,
  telemetryBatchSchema,
  telemetryRecordSchema,
} from '@aviary/protocol';
import { z } from 'zod';
import { type ReleaseSum, sumByMinute } from './release-sum.ts';

/** One batch as it came, with the records that could be read; the others are kept and not acted on. */
export interface ReceivedBatch {
  readonly deviceId: string;
  readonly epoch: number;
  readonly seq: number;
  /** The message itself, UTF-8. */
  readonly payload: Buffer;
  readonly records: readonly Exclude<TelemetryRecord, MetricsRecord>[];
  /** Its metrics, summed at once: as records they would fill the memory while they wait for the database. */
  readonly metrics: readonly ReleaseSum[];
  readonly refused: readonly string[];
}

/** What is needed to keep a place in the sequence, whatever the records hold. */
const frameSchema = telemetryBatchSchema.extend({ records: z.array(z.unknown()).max(256) });

/** A payload that is not even a batch: without a number it can neither be stored in order nor acknowledged. */
export class TelemetryMalformedError extends Error {
  readonly code = 'telemetry-malformed';
}

/**
 * Reads the payload of `up/telemetry`. A single record that does not fit (say, of a newer agent) does not block those
 * after it: the batch is stored whole, and the record is reported.
 * @throws TelemetryMalformedError
 */
export const readBatch = (deviceId: string, payload: Buffer): ReceivedBatch => {
  const { epoch, seq, records, refused } = readRecords(deviceId, parse(deviceId, payload));
  return {
    deviceId,
    epoch,
    seq,
    payload,
    records: records.filter((record) => record.type !== 'metrics'),
    metrics: sumByMinute(records.filter((record) => record.type === 'metrics')),
    refused,
  };
};

const parse = (deviceId: string, payload: Buffer): unknown => {
  try {
    if (isUtf8(payload)) return JSON.parse(payload.toString('utf8'));
  } catch {
    // Said below, as for everything else that is no JSON.
  }
  throw new TelemetryMalformedError(
    `Expected JSON in UTF-8 from device ${deviceId}, got ${payload.length} bytes of something else.`,
  );
};

const readRecords = (deviceId: string, value: unknown) => {
  const whole = telemetryBatchSchema.safeParse(value);
  if (whole.success) return { ...whole.data, refused: [] };
  const frame = frameSchema.safeParse(value);
  if (!frame.success) {
    throw new TelemetryMalformedError(
      `Expected {epoch, seq, records} from device ${deviceId}: ${z.prettifyError(frame.error)}`,
    );
  }
  const records: TelemetryRecord[] = [];
  const refused: string[] = [];
  for (const record of frame.data.records) {
    const result = telemetryRecordSchema.safeParse(record);
    if (result.success) records.push(result.data);
    else refused.push(z.prettifyError(result.error));
  }
  return { epoch: frame.data.epoch, seq: frame.data.seq, records, refused };
};
