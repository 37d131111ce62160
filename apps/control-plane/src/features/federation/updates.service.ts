import { createHash } from 'node:crypto';
import { type CheckedUpdate, checkUpdate, headSize } from '@aviary/federation';
import type { Database, Sql } from '../../infra/database.ts';
import { badRequest, conflict, type ProblemError } from '../../infra/problem.ts';
import { demandOpen, type Participation, readParticipation } from './participation.ts';

const STORE = `
  update round_participant set state = $3, reason = $4, sha256 = $5, update = $6, samples = $7, loss = $8, norm = $9,
    updated_at = now()
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
  /** As many as could fit, and what came with the last of them. */
  readonly bytes: Buffer;
  /** Of all that came. */
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
  async take(deviceId: string, round: string, sent: AnnouncedUpdate, body: AsyncIterable<Uint8Array>): Promise<void> {
    const before = await readParticipation(this.database, round, deviceId, 'train');
    const received = await receive(body, bytesOf(before));
    if (received.sha256 !== sent.sha256) {
      throw badRequest(
        'update-digest',
        `Expected bytes with SHA-256 ${sent.sha256}, got ${received.length} bytes with ${received.sha256}: they changed on the way. Send them again.`,
      );
    }
    const refusal = await this.database.transaction((sql) => settle(sql, deviceId, round, sent, received));
    if (refusal !== undefined) throw refusal;
  }
}

/** Stores an update, or that it was refused and why; both last. What is thrown has changed nothing. */
const settle = async (
  sql: Sql,
  deviceId: string,
  round: string,
  sent: AnnouncedUpdate,
  received: ReceivedBody,
): Promise<ProblemError | undefined> => {
  const own = await readParticipation(sql, round, deviceId, 'train', 'locked');
  if (own.part === 'train' && own.state === 'REPORTED') {
    if (own.sha256 === sent.sha256) return undefined;
    throw conflict(
      'update-exists',
      `Expected one update of each device; this one has sent ${own.sha256} for this round, which counts. Drop the other.`,
    );
  }
  demandOpen(own, 'train');
  const checked = check(own, sent, received);
  const { sha256, samples, loss } = sent;
  if (checked.ok) {
    await sql.query(STORE, [round, deviceId, 'REPORTED', null, sha256, received.bytes, samples, loss, checked.norm]);
    return undefined;
  }
  const reason = `${checked.code}: ${checked.words}`;
  await sql.query(STORE, [round, deviceId, 'REFUSED', reason, sha256, null, samples, loss, null]);
  return badRequest(checked.code, checked.words);
};

const bytesOf = ({ round }: Participation): number => headSize(round) * Float32Array.BYTES_PER_ELEMENT;

const check = (own: Participation, sent: AnnouncedUpdate, { bytes, length }: ReceivedBody): CheckedUpdate => {
  const { base: expectedBase, spec, features, classes } = own.round;
  if (length > bytesOf(own)) {
    const words = `Expected ${bytesOf(own)} bytes for ${features} features and ${classes} classes, got ${length}.`;
    return { ok: false, code: 'update-length', words };
  }
  return checkUpdate({ ...sent, bytes, shape: { features, classes }, expectedBase, minSamples: spec.minSamples });
};

/** Reads a body to its end; once there is more than `limit`, only its length and digest matter. */
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
