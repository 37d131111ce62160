import { createHash } from 'node:crypto';
import type { Database, Sql } from '../../infra/database.ts';
import { badRequest, conflict, type ProblemError } from '../../infra/problem.ts';
import { demandOpen, type Participation, readParticipation } from './participation.ts';

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

const STORE = `
  update round_participant set state = $3, reason = $4, sha256 = $5, update = $6, samples = $7, loss = $8, norm = $9, updated_at = now()
  where round_id = $1 and device_id = $2`;

/** What a device says of the update that it sends. */
export interface AnnouncedUpdate {
  /** SHA-256 of the head from which training started. */
  readonly base: string;
  readonly sha256: string;
  readonly samples: number;
  readonly loss: number;
}

interface ReceivedBody {
  readonly bytes: Buffer;
  /** Of all that came, also of what was not kept. */
  readonly sha256: string;
  readonly length: number;
}

/** Takes what training has changed on devices. */
export class UpdatesService {
  constructor(private readonly database: Database) {}

  /**
   * Takes a device's update; the same one again is answered as before.
   * @param body float32, little endian. Read to its end, so that the sender hears the answer; kept as far as it can fit
   * @throws ProblemError; what is wrong with the content also ends the device's part, with the reason
   */
  async take(
    deviceId: string,
    round: string,
    announced: AnnouncedUpdate,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { features, classes } = (await readParticipation(this.database, round, deviceId)).round;
    const received = await receive(body, bytesOf(features, classes));
    if (received.sha256 !== announced.sha256) {
      throw badRequest(
        'update-digest',
        `Expected the bytes with SHA-256 ${announced.sha256}, ${received.length} bytes with ${received.sha256} came. They were changed on the way; send them again.`,
      );
    }
    const refusal = await this.database.transaction((sql) => settle(sql, deviceId, round, announced, received));
    if (refusal !== undefined) throw refusal;
  }
}

/** Stores an update or the refusal of one, in the caller's transaction, which has to be kept in both cases. */
const settle = async (
  sql: Sql,
  deviceId: string,
  round: string,
  announced: AnnouncedUpdate,
  received: ReceivedBody,
): Promise<ProblemError | undefined> => {
  const own = await readParticipation(sql, round, deviceId, true);
  if (own.state === 'REPORTED' && own.part === 'train') {
    if (own.sha256 === announced.sha256) return undefined;
    throw conflict(
      'update-exists',
      `This device has sent an update for this round already (${own.sha256}), and it counts. One device counts once.`,
    );
  }
  demandOpen(own, 'train');
  const checked = check(own, announced, received);
  const { sha256, samples, loss } = announced;
  if ('refusal' in checked) {
    const { refusal } = checked;
    const reason = `${refusal.code}: ${refusal.message}`;
    await sql.query(STORE, [round, deviceId, 'REFUSED', reason, sha256, null, samples, loss, null]);
    return refusal;
  }
  await sql.query(STORE, [round, deviceId, 'REPORTED', null, sha256, received.bytes, samples, loss, checked.norm]);
  return undefined;
};

const bytesOf = (features: number, classes: number): number => FLOAT_BYTES * (features * classes + classes);

const check = (
  { round }: Participation,
  { base }: AnnouncedUpdate,
  { bytes, length }: ReceivedBody,
): { norm: number } | { refusal: ProblemError } => {
  const expected = bytesOf(round.features, round.classes);
  if (length !== expected) {
    return {
      refusal: badRequest(
        'update-shape',
        `Expected ${expected} bytes (${round.features} features, ${round.classes} classes), got ${length}.`,
      ),
    };
  }
  if (base !== round.base) {
    return {
      refusal: badRequest('update-stale-base', `Expected training from the head ${round.base}, got from ${base}.`),
    };
  }
  let sum = 0;
  for (let offset = 0; offset < bytes.length; offset += FLOAT_BYTES) {
    const value = bytes.readFloatLE(offset);
    if (!Number.isFinite(value)) {
      return {
        refusal: badRequest('update-not-finite', `Expected numbers, got ${value} at place ${offset / FLOAT_BYTES}.`),
      };
    }
    sum += value * value;
  }
  return { norm: Math.sqrt(sum) };
};

/** Reads a body to its end and keeps at most `limit` bytes and one more, by which a longer one is known. */
const receive = async (body: AsyncIterable<Uint8Array>, limit: number): Promise<ReceivedBody> => {
  const digest = createHash('sha256');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    digest.update(chunk);
    if (length <= limit) chunks.push(chunk);
    length += chunk.length;
  }
  return { bytes: Buffer.concat(chunks), sha256: digest.digest('hex'), length };
};
