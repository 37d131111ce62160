import type { ReleaseDetail, ReleaseSummary } from '@aviary/protocol';
import {
  AgeError,
  ageRecipientOf,
  createHeader,
  generateAgeIdentity,
  openHeader,
  type ReleaseStatement,
  type ReleaseTarget,
  splitReleaseName,
} from '@aviary/release';
import type { BlobStore } from '../../infra/blob-store.ts';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import type { KeyRing } from '../../infra/key-ring.ts';
import { badRequest, conflict, notFound } from '../../infra/problem.ts';
import { fileKeyName } from '../../infra/sealed-columns.ts';
import type { SecretStore } from '../../infra/secret-store.ts';
import type { LineageService } from '../federation/lineage.service.ts';
import type { ReleaseChanges } from './release-changes.ts';

const SUMMARY = `
  select r.name as release, r.model, r.version, r.release_counter as "releaseCounter",
    r.rollback_floor as "rollbackFloor", r.publisher,
    ${millisecondsOf('r.published_at')} as "publishedAt", ${millisecondsOf('r.revoked_at')} as "revokedAt",
    (select json_agg(json_build_object('id', v.id, 'runtime', v.target ->> 'runtime', 'format', v.target ->> 'format',
       'precision', v.target ->> 'precision', 'sha256', v.sha256, 'length', v.length) order by v.id)
     from variant v where v.release = r.name) as variants,
    exists (select 1 from variant v where v.release = r.name and v.target ? 'training') as trainable, r.lineage
  from release r`;

const FIELD = `
  select count(distinct device_id)::float8 as devices, coalesce(sum(frames), 0)::float8 as frames,
    coalesce(sum(labelled), 0)::float8 as labelled, coalesce(sum(correct), 0)::float8 as correct,
    coalesce(sum(low_confidence), 0)::float8 as "lowConfidence"
  from metrics_minute where release = $1`;

/** A release as the rest of the control plane works with it. */
export interface StoredRelease {
  readonly statement: ReleaseStatement;
  /** The publisher has taken it back: nothing new gets it. */
  readonly revoked: boolean;
}

/** Who signed the targets that a release is published with. */
export interface SignedBy {
  /** Names of those who signed. */
  readonly publisher: string;
  /** PEM: every key that may. */
  readonly publisherKeys: readonly string[];
}

/** The key of a variant that is new, as its publisher sends it. */
interface GivenVariant {
  /** Of its target. */
  readonly path: string;
  /** base64. */
  readonly ageHeader: string;
}

/** The registry: signed releases, and the keys that open them, sealed under the master key. */
export class ReleasesService {
  private constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
    private readonly blobs: BlobStore,
    private readonly lineages: LineageService,
    /** To whom publishers seal file keys. */
    readonly recipient: string,
    private readonly identity: string,
  ) {}

  static async open(
    database: Database,
    secrets: SecretStore,
    keys: KeyRing,
    blobs: BlobStore,
    lineages: LineageService,
  ): Promise<ReleasesService> {
    const stored = await secrets.getOrCreate('registry-identity', async () => {
      const identity = generateAgeIdentity();
      return { secret: Buffer.from(identity), publicPart: ageRecipientOf(identity) };
    });
    const { publicPart, secret } = stored;
    return new ReleasesService(database, keys, blobs, lineages, publicPart, secret.toString());
  }

  /**
   * Checks what changes about releases, before anything does.
   * @param given for each variant that is new, its file key sealed to this control plane
   * @returns what makes the change, in the same transaction
   * @throws ProblemError when a counter, a blob, a key or the lineage does not fit
   */
  async prepare(
    sql: Sql,
    { added, removed, raised }: ReleaseChanges,
    given: readonly GivenVariant[],
    { publisher, publisherKeys }: SignedBy,
  ): Promise<{ apply(): Promise<void> }> {
    const sealed: { statement: ReleaseStatement; fileKeys: ReadonlyMap<string, Buffer> }[] = [];
    for (const statement of [...added].sort((a, b) => a.releaseCounter - b.releaseCounter)) {
      if (!publisherKeys.includes(statement.publisherKey)) {
        throw badRequest(
          'publisher-unknown',
          `Expected ${statement.release} to be signed with a key of the targets role, it is signed with another. See them: aviary key list`,
        );
      }
      await this.refuseOldCounter(sql, statement);
      if (statement.lineage !== undefined) await this.lineages.check(statement.lineage);
      const fileKeys = new Map<string, Buffer>();
      for (const target of statement.targets) fileKeys.set(target.variant, await this.fileKeyOf(target, given));
      sealed.push({ statement, fileKeys });
    }
    return {
      apply: async () => {
        for (const { statement, fileKeys } of sealed) await this.insert(sql, statement, fileKeys, publisher);
        await sql.query('update release set revoked_at = now() where name = any ($1) and revoked_at is null', [
          removed,
        ]);
        await sql.query(
          `update release r set rollback_floor = t.floor, statement = jsonb_set(statement, '{rollbackFloor}', to_jsonb(t.floor))
           from unnest($1::text[], $2::integer[]) as t (name, floor) where r.name = t.name`,
          [raised.map(({ release }) => release), raised.map(({ rollbackFloor }) => rollbackFloor)],
        );
      },
    };
  }

  /** @throws ProblemError `release-unknown` */
  async get(release: string): Promise<StoredRelease> {
    const [row] = await this.database.query<StoredRelease>(
      'select statement, revoked_at is not null as revoked from release where name = $1',
      [release],
    );
    if (row === undefined) throw unknownRelease(release);
    return row;
  }

  /** The key that opens a variant, to be sealed again for one device. */
  async fileKey(release: string, variant: string): Promise<Buffer> {
    const [row] = await this.database.query<{ sealed: Buffer }>(
      'select sealed_file_key as sealed from variant where release = $1 and id = $2',
      [release, variant],
    );
    if (row === undefined) throw notFound('variant', `${release}/${variant}`, 'List releases with: aviary model list');
    return this.keys.open(fileKeyName(release, variant), row.sealed);
  }

  /**
   * Seals the file key of a variant to somebody who may read the model.
   * @throws ProblemError `release-revoked`, `recipient-invalid`
   */
  async headerFor(release: string, variant: string, recipient: string): Promise<Buffer> {
    if ((await this.get(release)).revoked) {
      throw conflict('release-revoked', `Expected a release that is published, ${release} was taken back.`);
    }
    const fileKey = await this.fileKey(release, variant);
    try {
      return createHeader(fileKey, recipient);
    } catch (error) {
      if (!(error instanceof AgeError)) throw error;
      throw badRequest('recipient-invalid', `${error.message}. Make one with: age-keygen`);
    } finally {
      fileKey.fill(0);
    }
  }

  /** Whether a blob is a variant of some release: whatever else lies in the store is nobody's to read. */
  async isVariant(sha256: string): Promise<boolean> {
    const [row] = await this.database.query('select 1 from variant where sha256 = $1 limit 1', [sha256]);
    return row !== undefined;
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
    const { statement } = await this.get(release);
    const [field] = await this.database.query<ReleaseDetail['field']>(FIELD, [release]);
    if (field === undefined) throw new Error('an aggregate answers one row');
    return { ...summary, statement, field };
  }

  private async summary(release: string): Promise<ReleaseSummary> {
    const [row] = await this.database.query<ReleaseSummary>(`${SUMMARY} where r.name = $1`, [release]);
    if (row === undefined) throw unknownRelease(release);
    return row;
  }

  private async refuseOldCounter(sql: Sql, { release, releaseCounter }: ReleaseStatement): Promise<void> {
    const { model } = splitReleaseName(release);
    const known = await sql.query<{ name: string; counter: number }>(
      'select name, release_counter as counter from release where model = $1 order by release_counter desc',
      [model],
    );
    // A name that was revoked is used up: devices may still hold what it stood for.
    if (known.some(({ name }) => name === release)) {
      throw conflict(
        'release-exists',
        `${release} was published before, and a release never changes. Raise the version in model.yaml.`,
      );
    }
    const last = known[0]?.counter ?? 0;
    if (releaseCounter > last) return;
    throw conflict(
      'release-counter-not-above',
      `Expected a release counter above ${last} for ${model}, got ${releaseCounter}. Push again: the counter is taken anew.`,
    );
  }

  private async insert(
    sql: Sql,
    statement: ReleaseStatement,
    fileKeys: ReadonlyMap<string, Buffer>,
    publisher: string,
  ): Promise<void> {
    const { release, releaseCounter, rollbackFloor, lineage } = statement;
    const { model, version } = splitReleaseName(release);
    await sql.query(
      `insert into release (name, model, version, release_counter, rollback_floor, publisher, statement, lineage)
       values ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        release,
        model,
        version,
        releaseCounter,
        rollbackFloor,
        publisher,
        JSON.stringify(statement),
        lineage === undefined ? null : JSON.stringify(lineage),
      ],
    );
    for (const target of statement.targets) {
      const fileKey = fileKeys.get(target.variant);
      if (fileKey === undefined) throw new Error(`the file key of ${target.path} was not read`);
      await sql.query(
        `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [
          release,
          target.variant,
          JSON.stringify(target),
          target.sha256,
          target.length,
          target.plaintextSha256,
          await this.keys.seal(sql, fileKeyName(release, target.variant), fileKey),
        ],
      );
    }
  }

  private async fileKeyOf(target: ReleaseTarget, given: readonly GivenVariant[]): Promise<Buffer> {
    const length = await this.blobs.length(target.sha256);
    if (length !== target.length) {
      throw badRequest(
        'blob-missing',
        `Expected the blob of variant "${target.variant}" (${target.length} bytes, ${target.sha256}) to be stored, found ${length === undefined ? 'none' : `${length} bytes`}. Upload it first.`,
      );
    }
    const header = given.find(({ path }) => path === target.path)?.ageHeader;
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
