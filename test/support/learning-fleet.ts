import { createHash, randomBytes } from 'node:crypto';
import { decideRound, encodeHead, headSize, type RoundSpec, roundSpecSchema } from '@aviary/federation';
import { exampleFacts } from '@aviary/hardware';
import type { RoundDetail } from '@aviary/protocol';
import { createHeader, FILE_KEY_BYTES, type Lineage, type ReleaseStatement } from '@aviary/release';
import { loadRound } from '../../apps/control-plane/src/features/federation/round-snapshot.ts';
import type { Database } from '../../apps/control-plane/src/infra/database.ts';
import type { Services } from '../../apps/control-plane/src/roles/services.ts';
import type { TestDatabase } from './test-database.ts';
import { TestPublisher } from './test-publisher.ts';
import { openTestServices } from './test-services.ts';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

export const SHAPE = { features: 6, classes: 3 };
/** What the first variant of every release trains from. */
export const FP32 = { backbone: sha256('backbone fp32'), base: sha256('head fp32'), ...SHAPE };
export const FP16 = { backbone: sha256('backbone fp16'), base: sha256('head fp16'), ...SHAPE };
type Training = typeof FP32;

/** An update whose values say which device made it. */
export const updateOf = (seed: number, length = headSize(SHAPE)): Float32Array =>
  Float32Array.from({ length }, (_, index) => Math.sin(seed * 12.9898 + index * 78.233) * (1 + seed / 10));

const digestOf = (values: Float32Array): string => sha256(encodeHead(values));

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50);
}

/** What one device sends, as far as it is not the usual. */
export interface Sent {
  readonly values?: Float32Array;
  readonly bytes?: Uint8Array;
  readonly base?: string;
  readonly samples?: number;
  readonly loss?: number;
  readonly sha256?: string;
}

/** A control plane's services over a real database, with devices that say that they learn; they are rows, no agents. */
export class LearningFleet {
  private publisher: TestPublisher | undefined;
  private counter = 0;

  private constructor(
    readonly t: TestDatabase,
    readonly services: Services,
  ) {}

  static async open(t: TestDatabase): Promise<LearningFleet> {
    const fleet = new LearningFleet(t, await openTestServices(t));
    return fleet;
  }

  /** Publishes a release by the ordinary way: stored blobs, sealed keys, a signed statement. */
  async publish(
    release: string,
    trainings: readonly (Training | undefined)[] = [FP32],
    lineage?: Lineage,
  ): Promise<void> {
    const { trust, blobs, releases } = this.services;
    // The tables may have been emptied since the last release.
    const isFounded = (await trust.state()).roles.length > 0;
    if (this.publisher === undefined || !isFounded) this.publisher = await TestPublisher.found(trust);
    this.counter += 1;
    const targets: ReleaseStatement['targets'] = [];
    for (const [index, training] of trainings.entries()) {
      const blob = randomBytes(64);
      await blobs.put(sha256(blob), inPieces(blob));
      targets.push({
        path: `${release.replace('@', '/')}/v${index}.age-payload`,
        variant: `v${index}`,
        runtime: 'onnxruntime',
        format: 'onnx',
        precision: 'fp32',
        profiles: ['rpi4', 'rpi5'],
        length: blob.length,
        sha256: sha256(blob),
        plaintextSha256: sha256('plain'),
        plaintextLength: 64,
        omsSha256: sha256('signature'),
        ...(training === undefined ? {} : { training }),
      });
    }
    const statement: ReleaseStatement = {
      release,
      releaseCounter: this.counter,
      rollbackFloor: 0,
      minAgent: '0.1.0',
      issuedAt: Date.now(),
      targets,
      publisherKey: this.publisher.signer.publicKeyPem,
      ...(lineage === undefined ? {} : { lineage }),
    };
    const header = createHeader(randomBytes(FILE_KEY_BYTES), releases.recipient).toString('base64');
    await this.publisher.publish([statement], header);
  }

  /** Adds devices `d-000`, `d-001`, … that are online and keep samples. */
  async addDevices(count: number, { samples = 100, training = FP32, from = 0, presence = 'online' } = {}) {
    const ids = Array.from({ length: count }, (_, index) => `d-${String(from + index).padStart(3, '0')}`);
    await this.t.query(
      `insert into device (id, name, labels, facts, recipient, certificate_fingerprint, certificate_expires_at, presence)
       select id, id, '{"site":"test"}', $2, 'age1', id, now(), $3 from unnest($1::text[]) as t (id)`,
      [ids, JSON.stringify(exampleFacts('rpi4')), presence],
    );
    await this.learn(ids, { samples, training });
    return ids;
  }

  /** What telemetry says of devices that learn. */
  async learn(ids: readonly string[], { samples = 100, training = FP32 } = {}): Promise<void> {
    await this.t.query(
      `insert into learning_state (device_id, release, backbone, base, samples, per_label, at)
       select id, 'grey@1.0.0', $2, $3, $4, '{}', now() from unnest($1::text[]) as t (id)`,
      [ids, training.backbone, training.base, samples],
    );
  }

  /** A round of `grey@1.0.0`, quick enough for a test. */
  spec(more: Partial<RoundSpec> = {}): RoundSpec {
    const quick = { release: 'grey@1.0.0', goal: 4, overSelection: 1, selectFor: 60, collectFor: 60, evaluateFor: 60 };
    return roundSpecSchema.parse({ ...quick, ...more });
  }

  /** Does the next thing that there is to do with a round. @returns whether there was one */
  step(id: string, database: Database = this.services.database): Promise<boolean> {
    return database.transaction(async (sql) => {
      const round = await loadRound(sql, id, 'skip');
      if (round === undefined) return false;
      const decisions = decideRound(round.snapshot, round.now);
      await this.services.roundApplier.apply(sql, round, decisions);
      return decisions.length > 0;
    });
  }

  /** Moves a round on until it waits for something. */
  async settle(id: string): Promise<RoundDetail> {
    while (await this.step(id));
    return this.services.rounds.show(id);
  }

  /** Creates a round and moves it to where devices are asked. */
  async begin(more: Partial<RoundSpec> = {}): Promise<{ id: string; trainers: string[]; evaluators: string[] }> {
    const { id } = await this.services.rounds.create(this.spec(more));
    const { participants } = await this.settle(id);
    const of = (part: string) =>
      participants
        .filter((one) => one.part === part)
        .map(({ deviceId }) => deviceId)
        .sort();
    return { id, trainers: of('train'), evaluators: of('evaluate') };
  }

  /** Sends what a device has trained: by default what `updateOf` its number gives, with 50 samples and its number. */
  sendUpdate(id: string, deviceId: string, sent: Sent = {}): Promise<void> {
    const number = Number(deviceId.slice(2));
    const bytes = sent.bytes ?? encodeHead(sent.values ?? updateOf(number));
    const announced = { base: FP32.base, sha256: sha256(bytes), samples: 50 + number, loss: 0.5 };
    const { values: _, bytes: __, ...said } = sent;
    return this.services.updates.take(deviceId, id, { ...announced, ...said }, inPieces(bytes));
  }

  /** Sends that the candidate is right as often as `right` says, of 100 samples, and the base in 80. */
  async sendEvaluation(id: string, deviceId: string, right: number, more: { update?: string } = {}): Promise<void> {
    const { update } = await this.services.participations.taskOf(deviceId);
    await this.services.participations.takeEvaluation(deviceId, id, {
      update: more.update ?? update ?? '',
      samples: 100,
      base: { correct: 80, loss: 0.6 },
      candidate: { correct: right, loss: 0.4 },
    });
  }

  /** What rings at devices, as it lies in the outbox. */
  async doorbells(): Promise<string[]> {
    const rows = await this.t.query<{ device_id: string }>(
      `select device_id from outbox where channel = 'doorbell' and payload ->> 'reason' = 'round' order by id`,
    );
    return rows.map((row) => row.device_id);
  }

  async close(): Promise<void> {
    await this.services.database.stop();
  }
}

/**
 * The sum of updates, from the definition and not from the library: shortened to the median length, weighted by samples,
 * in 64 bits in the order of device ids.
 */
export const expectedDigest = (ids: readonly string[]): string => {
  const all = [...ids]
    .sort()
    .map((id) => ({ samples: 50 + Number(id.slice(2)), values: updateOf(Number(id.slice(2))) }));
  const length = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  const lengths = all.map(({ values }) => length(values)).sort((a, b) => a - b);
  const half = lengths.length / 2;
  const median = ((lengths[Math.ceil(half) - 1] ?? 0) + (lengths[Math.floor(half)] ?? 0)) / 2;
  const samples = all.reduce((sum, one) => sum + one.samples, 0);
  const sum = new Float64Array(headSize(SHAPE));
  for (const one of all) {
    const norm = length(one.values);
    const weight = (one.samples / samples) * (norm > median ? median / norm : 1);
    for (const [index, value] of one.values.entries()) sum[index] = (sum[index] ?? 0) + weight * value;
  }
  return digestOf(Float32Array.from(sum));
};
