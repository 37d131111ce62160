import type { ReleaseDetail, ReleaseSummary } from '@aviary/protocol';
import {
  ageRecipientOf,
  DsseError,
  generateAgeIdentity,
  openHeader,
  type ReleaseStatement,
  type ReleaseTarget,
  splitReleaseName,
  verifyReleaseStatement,
} from '@aviary/release';
import type { BlobStore } from '../../infra/blob-store.ts';
import { type Database, millisecondsOf } from '../../infra/database.ts';
import type { MasterKey } from '../../infra/master-key.ts';
import { badRequest, conflict, notFound } from '../../infra/problem.ts';
import type { SecretStore } from '../../infra/secret-store.ts';
import type { LineageService } from '../federation/lineage.service.ts';
import type { PublishersService } from './publishers.service.ts';

const SUMMARY = `
  select r.name as release, r.model, r.version, r.release_counter as "releaseCounter",
    r.rollback_floor as "rollbackFloor", p.name as publisher,
    ${millisecondsOf('r.published_at')} as "publishedAt",
    (select json_agg(json_build_object('id', v.id, 'runtime', v.target ->> 'runtime', 'format', v.target ->> 'format',
       'precision', v.target ->> 'precision', 'sha256', v.sha256, 'length', v.length) order by v.id)
     from variant v where v.release = r.name) as variants,
    exists (select 1 from variant v where v.release = r.name and v.target ? 'training') as trainable, r.lineage
  from release r join publisher p on p.key_id = r.publisher_key_id`;

const FIELD = `
  select count(distinct device_id)::float8 as devices, coalesce(sum(frames), 0)::float8 as frames,
    coalesce(sum(labelled), 0)::float8 as labelled, coalesce(sum(correct), 0)::float8 as correct,
    coalesce(sum(low_confidence), 0)::float8 as "lowConfidence"
  from metrics_minute where release = $1`;

const fileKeyName = (release: string, variant: string): string => `file-key:${release}:${variant}`;

/** A release as the rest of the control plane works with it. */
export interface StoredRelease {
  readonly statement: ReleaseStatement;
  /** As the publisher signed it; devices check it themselves. */
  readonly envelope: unknown;
}

/** The registry: signed releases, and the keys that open them, sealed under the master key. */
export class ReleasesService {
  private constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly publishers: PublishersService,
    private readonly blobs: BlobStore,
    private readonly lineages: LineageService,
    /** To whom publishers seal file keys. */
    readonly recipient: string,
    private readonly identity: string,
  ) {}

  static async open(
    database: Database,
    secrets: SecretStore,
    masterKey: MasterKey,
    publishers: PublishersService,
    blobs: BlobStore,
    lineages: LineageService,
  ): Promise<ReleasesService> {
    const stored = await secrets.getOrCreate('registry-identity', async () => {
      const identity = generateAgeIdentity();
      return { secret: Buffer.from(identity), publicPart: ageRecipientOf(identity) };
    });
    const { publicPart, secret } = stored;
    return new ReleasesService(database, masterKey, publishers, blobs, lineages, publicPart, secret.toString());
  }

  /**
   * Registers a release; all its blobs must be stored already. The very same release again is no change.
   * @throws ProblemError when the signature, a blob, a key, a number or the lineage does not fit
   */
  async publish(request: {
    statement: unknown;
    variants: readonly { id: string; ageHeader: string }[];
  }): Promise<ReleaseSummary> {
    const { statement, keyId } = await this.verify(request.statement);
    const { model, version } = splitReleaseName(statement.release);
    const [existing] = await this.database.query<{ statement: { payload: string } }>(
      'select statement from release where name = $1',
      [statement.release],
    );
    if (existing !== undefined) {
      const [before, now] = [existing.statement.payload, (request.statement as { payload: string }).payload];
      if (before === now) return this.summary(statement.release);
      throw conflict(
        'release-exists',
        `${statement.release} was published before, and a release never changes. Raise the version in model.yaml.`,
      );
    }
    const [last] = await this.database.query<{ counter: number | null }>(
      'select max(release_counter) as counter from release where model = $1',
      [model],
    );
    if (statement.releaseCounter <= (last?.counter ?? 0)) {
      throw conflict(
        'release-counter-not-above',
        `Expected a release counter above ${last?.counter} for ${model}, got ${statement.releaseCounter}. Push again: the counter is taken anew.`,
      );
    }
    if (statement.lineage !== undefined) await this.lineages.check(statement.lineage);
    const variants = await Promise.all(
      statement.targets.map(async (target) => ({ target, fileKey: await this.fileKeyOf(target, request.variants) })),
    );
    await this.database.transaction(async (sql) => {
      await sql.query(
        `insert into release (name, model, version, release_counter, rollback_floor, publisher_key_id, statement, lineage)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          statement.release,
          model,
          version,
          statement.releaseCounter,
          statement.rollbackFloor,
          keyId,
          JSON.stringify(request.statement),
          statement.lineage === undefined ? null : JSON.stringify(statement.lineage),
        ],
      );
      for (const { target, fileKey } of variants) {
        await sql.query(
          `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
           values ($1, $2, $3, $4, $5, $6, $7)`,
          [
            statement.release,
            target.variant,
            JSON.stringify(target),
            target.sha256,
            target.length,
            target.plaintextSha256,
            this.masterKey.seal(fileKeyName(statement.release, target.variant), fileKey),
          ],
        );
      }
      return { id: statement.release };
    });
    return this.summary(statement.release);
  }

  /** @throws ProblemError `release-unknown` */
  async get(release: string): Promise<StoredRelease> {
    const [row] = await this.database.query<{ statement: { payload: string } }>(
      'select statement from release where name = $1',
      [release],
    );
    if (row === undefined) throw unknownRelease(release);
    const statement: ReleaseStatement = JSON.parse(Buffer.from(row.statement.payload, 'base64').toString('utf8'));
    return { statement, envelope: row.statement };
  }

  /** The key that opens a variant, to be sealed again for one device. */
  async fileKey(release: string, variant: string): Promise<Buffer> {
    const [row] = await this.database.query<{ sealed: Buffer }>(
      'select sealed_file_key as sealed from variant where release = $1 and id = $2',
      [release, variant],
    );
    if (row === undefined) throw notFound('variant', `${release}/${variant}`, 'List releases with: aviary model list');
    return this.masterKey.open(fileKeyName(release, variant), row.sealed);
  }

  async list(query: { model?: string | undefined; cursor?: string | undefined; limit: number }) {
    const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor);
    if (!Number.isFinite(before)) throw badRequest('cursor-invalid', 'Expected the nextCursor of a page before.');
    const items = await this.database.query<ReleaseSummary>(
      `${SUMMARY} where ($1::text is null or r.model = $1) and ${millisecondsOf('r.published_at')} < $2::float8
       order by r.published_at desc limit $3`,
      [query.model ?? null, before, query.limit + 1],
    );
    const more = items.length > query.limit;
    if (more) items.pop();
    return { items, nextCursor: more ? String(items.at(-1)?.publishedAt) : null };
  }

  async show(release: string): Promise<ReleaseDetail> {
    const summary = await this.summary(release);
    const { envelope } = await this.get(release);
    const [field] = await this.database.query<ReleaseDetail['field']>(FIELD, [release]);
    if (field === undefined) throw new Error('an aggregate answers one row');
    return { ...summary, statement: envelope as ReleaseDetail['statement'], field };
  }

  private async summary(release: string): Promise<ReleaseSummary> {
    const [row] = await this.database.query<ReleaseSummary>(`${SUMMARY} where r.name = $1`, [release]);
    if (row === undefined) throw unknownRelease(release);
    return row;
  }

  private async verify(envelope: unknown): Promise<{ statement: ReleaseStatement; keyId: string }> {
    const known = await this.publishers.list();
    for (const publisher of known) {
      try {
        return { statement: verifyReleaseStatement(envelope, [publisher.publicKey]), keyId: publisher.keyId };
      } catch (error) {
        if (!(error instanceof DsseError)) throw error;
        if (error.code !== 'dsse-untrusted') throw badRequest(error.code, error.message);
      }
    }
    throw badRequest(
      'publisher-unknown',
      `Expected a release signed by one of the ${known.length} registered publishers; none of them signed this. Register the key with: aviary key register`,
    );
  }

  private async fileKeyOf(target: ReleaseTarget, given: readonly { id: string; ageHeader: string }[]): Promise<Buffer> {
    const length = await this.blobs.length(target.sha256);
    if (length !== target.length) {
      throw badRequest(
        'blob-missing',
        `Expected the blob of variant "${target.variant}" (${target.length} bytes, ${target.sha256}) to be stored, found ${length === undefined ? 'none' : `${length} bytes`}. Upload it first.`,
      );
    }
    const header = given.find((variant) => variant.id === target.variant)?.ageHeader;
    if (header === undefined) {
      throw badRequest('file-key-missing', `Expected a sealed file key for variant "${target.variant}", got none.`);
    }
    try {
      return openHeader(Buffer.from(header, 'base64'), this.identity);
    } catch (error) {
      throw badRequest(
        'file-key-unreadable',
        `The file key of variant "${target.variant}" is not sealed to this control plane (${this.recipient}): ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

const unknownRelease = (release: string) => notFound('release', release, 'List them with: aviary model list');
