import { createHash } from 'node:crypto';
import { decodeMetadata, encodeMetadata, expiryOf, type RoleMetadata, TUF_ROLES, type TufRole } from '@aviary/release';
import type { Sql } from '../../infra/database.ts';

/** Metadata of a role as it is published: what it says, and its very bytes. */
export interface Published<Role extends TufRole> {
  readonly metadata: RoleMetadata<Role>;
  readonly version: number;
  readonly text: string;
}

/** The newest metadata of every role. */
export type CurrentMetadata = { readonly [Role in TufRole]: Published<Role> };

/** Timestamps of before are asked for by nobody. */
const TIMESTAMPS_KEPT = 3;

const NEWEST = `
  select distinct on (role) role, version, body from trust_metadata order by role, version desc`;

/** The image repository's files: metadata by role and version, and small targets by digest. They never change. */
export class MetadataStore {
  constructor(private readonly sql: Sql) {}

  /** @returns undefined before the repository was founded */
  async current(sql: Sql = this.sql): Promise<CurrentMetadata | undefined> {
    const rows = await sql.query<{ role: TufRole; version: number; body: string }>(NEWEST);
    const published = <Role extends TufRole>(role: Role): Published<Role> | undefined => {
      const row = rows.find((one) => one.role === role);
      if (row === undefined) return undefined;
      return { metadata: decodeMetadata(role, row.body), version: row.version, text: row.body };
    };
    const [root, targets] = [published('root'), published('targets')];
    const [snapshot, timestamp] = [published('snapshot'), published('timestamp')];
    if (root === undefined || targets === undefined || snapshot === undefined || timestamp === undefined) {
      return undefined;
    }
    return { root, targets, snapshot, timestamp };
  }

  /** @returns undefined before the repository was founded */
  async newestVersion(role: TufRole): Promise<number | undefined> {
    const [row] = await this.sql.query<{ version: number | null }>(
      'select max(version) as version from trust_metadata where role = $1',
      [role],
    );
    return row?.version ?? undefined;
  }

  /** Text of a metadata file by the name that clients ask for, e.g. `timestamp.json` or `3.root.json`. */
  async file(name: string): Promise<string | undefined> {
    const [, version, role] = /^(?:(\d+)\.)?([a-z]+)\.json$/.exec(name) ?? [];
    if (role === undefined || !TUF_ROLES.includes(role as TufRole)) return undefined;
    const [row] = await this.sql.query<{ body: string }>(
      `select body from trust_metadata where role = $1 and version = coalesce($2::bigint,
         (select max(version) from trust_metadata where role = $1))`,
      [role, version ?? null],
    );
    return row?.body;
  }

  /** A small target by its digest. */
  async target(sha256: string, sql: Sql = this.sql): Promise<Buffer | undefined> {
    const [row] = await sql.query<{ body: Buffer }>('select body from trust_file where sha256 = $1', [sha256]);
    return row?.body;
  }

  /** Publishes signed metadata. @returns it as clients get it */
  async publish<Role extends TufRole>(sql: Sql, role: Role, metadata: RoleMetadata<Role>): Promise<Published<Role>> {
    const text = encodeMetadata(metadata);
    const { version } = metadata.signed;
    await sql.query(
      `insert into trust_metadata (role, version, body, expires_at) values ($1, $2, $3, to_timestamp($4::float8 / 1000))`,
      [role, version, text, expiryOf(metadata)],
    );
    if (role === 'timestamp') {
      await sql.query(`delete from trust_metadata where role = 'timestamp' and version <= $1`, [
        version - TIMESTAMPS_KEPT,
      ]);
    }
    return { metadata, version, text };
  }

  async publishTarget(sql: Sql, bytes: Uint8Array): Promise<void> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await sql.query('insert into trust_file (sha256, body) values ($1, $2) on conflict do nothing', [sha256, bytes]);
  }
}
