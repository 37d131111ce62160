import type { Sql } from './database.ts';
import { keyIdOf, MasterKey, MasterKeyError, SEALED_MARK } from './master-key.ts';
import type { MasterKeySource } from './master-key-source.ts';
import { resealSome, SEALED_COLUMNS } from './sealed-columns.ts';

/** Any number that is ours: whoever holds it makes the first master key known to the database. */
const ADOPTION_LOCK = 7_245_503;
const ADOPTION_BATCH = 200;
/** A source that did not have the key is not asked again sooner. */
const ASK_SOURCE_MS = 5_000;

/** A master key as the database knows it. */
export interface KnownKey {
  readonly id: string;
  readonly state: 'current' | 'previous' | 'retired';
  /** During a rotation: the key, sealed under the other one. */
  readonly wrapped: Buffer | null;
  readonly since: Date;
  readonly retiredAt: Date | null;
}

/** The name under which a master key is sealed under another one. */
export const wrappedName = (keyId: string): string => `master-key:${keyId}`;

export const knownKeys = (sql: Sql): Promise<KnownKey[]> =>
  sql.query<KnownKey>('select id, state, wrapped, since, retired_at as "retiredAt" from master_key order by since, id');

/** The same, while nobody else changes them nor seals anything, until the transaction ends. */
export const lockKeys = async (sql: Sql): Promise<KnownKey[]> => {
  // Rows that are locked one by one are those of before the wait; a new current key would be missing among them.
  await sql.query('lock table master_key in exclusive mode');
  return knownKeys(sql);
};

/** Id of the current key, which stays the current one until the transaction ends. */
const lockCurrent = async (sql: Sql): Promise<string | undefined> => {
  const [row] = await sql.query<{ id: string }>(`select id from master_key where state = 'current' for share`);
  return row?.id;
};

interface KeyDatabase extends Sql {
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}

/**
 * The master keys of one process: the one that it was given, and while the key is being replaced the other one too,
 * which lies in the database under it. Processes that run meanwhile go on by that.
 */
export class KeyRing {
  private readonly keys = new Map<string, MasterKey>();
  private askedSourceAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly database: KeyDatabase,
    private readonly source: MasterKeySource,
  ) {}

  /**
   * Reads the master key, made at the very first start, and makes sure that it is this database's.
   * @throws MasterKeyError in one sentence, before anything is sealed or opened
   */
  async start(): Promise<void> {
    const known = await knownKeys(this.database);
    const key =
      known.length > 0 || (await this.hasSecrets()) ? await this.source.read() : await this.source.readOrMake();
    if (known.length === 0) await this.adopt(key);
    await this.expectOurs(key);
    this.keys.set(key.id, key);
  }

  /** Seals in the caller's transaction, under the key that is the current one until that ends. */
  async seal(sql: Sql, name: string, plaintext: Uint8Array): Promise<Buffer> {
    // Twice, since a wait for a rotation that began just now ends with the row that is not current any more.
    const current = (await lockCurrent(sql)) ?? (await lockCurrent(sql));
    if (current === undefined)
      throw new MasterKeyError('The database knows no master key. Start the control plane again.');
    return (await this.key(current, sql)).seal(name, plaintext);
  }

  /** @throws MasterKeyError when the value is under a key that cannot be had, or under another name, or was changed */
  async open(name: string, sealed: Uint8Array, sql: Sql = this.database): Promise<Buffer> {
    const id = keyIdOf(sealed);
    if (id === undefined) {
      throw new MasterKeyError(
        `The secret "${name}" does not say under which master key it is sealed: the stored value was changed, or an older version wrote it. Run one version of the control plane, and restart it.`,
      );
    }
    return (await this.key(id, sql)).open(name, sealed);
  }

  /** The key with this id. @throws MasterKeyError when it cannot be had */
  async key(id: string, sql: Sql = this.database): Promise<MasterKey> {
    const key = this.keys.get(id) ?? (await this.unwrap(id, sql)) ?? (await this.askSource(id, sql));
    if (key !== undefined) return key;
    throw new MasterKeyError(
      `A secret is sealed under the master key ${id}, and the one ${this.source.words} is another. If the master key was replaced, give this process the new one and restart it.`,
    );
  }

  /** During a rotation either key opens the other. */
  private async unwrap(id: string, sql: Sql): Promise<MasterKey | undefined> {
    for (const { id: wrappedId, wrapped } of await knownKeys(sql)) {
      if (wrappedId !== id || wrapped === null) continue;
      const outer = this.keys.get(keyIdOf(wrapped) ?? '');
      if (outer === undefined) continue;
      const key = new MasterKey(outer.open(wrappedName(id), wrapped));
      this.keys.set(key.id, key);
      return this.keys.get(id);
    }
    return undefined;
  }

  /** After a rotation the new key may lie where the old one was. */
  private async askSource(id: string, sql: Sql): Promise<MasterKey | undefined> {
    if (Date.now() - this.askedSourceAt < ASK_SOURCE_MS) return undefined;
    this.askedSourceAt = Date.now();
    const key = await this.source.read();
    if (key.id !== id) return undefined;
    const [known] = await sql.query(`select 1 from master_key where id = $1 and state <> 'retired'`, [id]);
    if (known !== undefined) this.keys.set(id, key);
    return this.keys.get(id);
  }

  private async hasSecrets(): Promise<boolean> {
    for (const { table } of SEALED_COLUMNS) {
      const [row] = await this.database.query(`select 1 from ${table} limit 1`);
      if (row !== undefined) return true;
    }
    return false;
  }

  /** Makes the first key known; secrets of a time when they did not name their key are sealed anew, and do so now. */
  private async adopt(key: MasterKey): Promise<void> {
    await this.database.transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [ADOPTION_LOCK]);
      if ((await knownKeys(sql)).length > 0) return;
      const reseal = (name: string, sealed: Buffer) => {
        try {
          return key.seal(name, key.openUnmarked(name, sealed));
        } catch {
          throw new MasterKeyError(
            `The master key ${this.source.words} does not open the secret "${name}" of this database. Give the key that belongs to it; nothing was changed.`,
          );
        }
      };
      for (const column of SEALED_COLUMNS) {
        while ((await resealSome(sql, column, SEALED_MARK, reseal, ADOPTION_BATCH)) > 0);
      }
      await sql.query(`insert into master_key (id, state) values ($1, 'current')`, [key.id]);
    });
  }

  private async expectOurs(key: MasterKey): Promise<void> {
    const known = await knownKeys(this.database);
    const given = known.find(({ id }) => id === key.id);
    if (given?.state === 'current' || given?.state === 'previous') return;
    const current = known.find(({ state }) => state === 'current')?.id;
    throw new MasterKeyError(
      given === undefined
        ? `The master key ${this.source.words} (id ${key.id}) is not that of this database, whose secrets are sealed under the key with the id ${current}. Give that one; nothing was changed.`
        : `The master key ${this.source.words} (id ${key.id}) was replaced on ${given.retiredAt?.toISOString()} by the one with the id ${current}. Give that one; nothing was changed.`,
    );
  }
}
