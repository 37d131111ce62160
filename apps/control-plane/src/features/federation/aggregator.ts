import { createHash } from 'node:crypto';
import { Aggregation, decodeHead, encodeHead, headSize, type UpdateFigures } from '@aviary/federation';
import type { RoundDetail } from '@aviary/protocol';
import type { Sql } from '../../infra/database.ts';
import type { LoadedRound } from './round-snapshot.ts';

/** Updates read at once; at least one, however large it is. */
const CHUNK_BYTES = 16 * 1024 * 1024;

const FIGURES = `
  select device_id as "deviceId", samples, norm from round_participant
  where round_id = $1 and part = 'train' and state = 'REPORTED'`;

const UPDATES = `
  select device_id as "deviceId", update from round_participant where round_id = $1 and device_id = any ($2)`;

interface Aggregated {
  readonly aggregate: NonNullable<RoundDetail['aggregate']>;
  /** float32, little endian. */
  readonly bytes: Uint8Array;
}

/**
 * Sums the updates of a round whose collecting has ended. The same updates give the same bytes, whoever sums them and
 * however often; memory holds one chunk of them and the sum.
 */
export const aggregateRound = async (sql: Sql, { id, shape, spec }: LoadedRound): Promise<Aggregated> => {
  const aggregation = new Aggregation(await sql.query<UpdateFigures>(FIGURES, [id]), spec.clipNorm);
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / (headSize(shape) * Float32Array.BYTES_PER_ELEMENT)));
  for (let first = 0; first < aggregation.order.length; first += perChunk) {
    const ids = aggregation.order.slice(first, first + perChunk);
    const rows = await sql.query<{ deviceId: string; update: Buffer }>(UPDATES, [id, ids]);
    const updates = new Map(rows.map(({ deviceId, update }) => [deviceId, update]));
    for (const deviceId of ids) {
      const update = updates.get(deviceId);
      if (update === undefined) throw new Error(`the update of ${deviceId} for round ${id} is gone`);
      aggregation.add(deviceId, decodeHead(update, shape));
    }
  }
  const { values, ...figures } = aggregation.finish();
  const bytes = encodeHead(values);
  return { aggregate: { sha256: createHash('sha256').update(bytes).digest('hex'), ...figures }, bytes };
};
