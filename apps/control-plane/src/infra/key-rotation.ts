import { randomUUID } from 'node:crypto';
import { chown, link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Database, Sql } from './database.ts';
import { type KeyRing, type KnownKey, knownKeys, lockKeys, wrappedName } from './key-ring.ts';
import { encodeMasterKey, keyIdOf, type MasterKey, MasterKeyError, sealedPrefix } from './master-key.ts';
import { type MasterKeySource, readKeyFile } from './master-key-source.ts';
import { countSealed, resealSome, SEALED_COLUMNS } from './sealed-columns.ts';

/** Values that one transaction seals anew: short enough that nobody waits for their rows. */
const BATCH = 100;

/** What a rotation has come to. */
export interface RotationResult {
  readonly newKeyId: string;
  /** Values that this run has sealed anew. */
  readonly resealed: number;
  /** All values that are sealed now. */
  readonly secrets: number;
  /** `not-begun`: the new key is the current one already. `open`: both keys open everything. `done`: only the new one. */
  readonly state: 'not-begun' | 'open' | 'done';
  /** When `done`: since when the old key opens nothing. */
  readonly retired?: { readonly id: string; readonly at: Date };
  /** Where a copy of the old key was left. */
  readonly oldKeyFile?: string;
}

const current = (known: readonly KnownKey[]): KnownKey => {
  const key = known.find(({ state }) => state === 'current');
  if (key === undefined) throw new MasterKeyError('The database knows no master key. Start the control plane once.');
  return key;
};

/**
 * Replaces the master key while the roles run. First each of the two keys is put into the database, sealed under the
 * other, and the new one becomes the one that seals; so either of them opens everything, whoever has which, until the
 * last transaction takes that away. Every step is one transaction, or the renaming of a file, and finds out by itself
 * what was done before: a rotation that was cut off goes on where it was.
 */
export class KeyRotation {
  constructor(
    private readonly database: Database,
    private readonly ring: KeyRing,
    private readonly source: MasterKeySource,
    /** Told after each step. */
    private readonly say: (words: string) => void,
  ) {}

  /**
   * @param newKey to be the master key from now on; while a rotation is under way, its old key to go back to that
   * @param install whether to put it into the file in which the master key lies
   * @throws MasterKeyError
   */
  async rotate(newKey: MasterKey, install: boolean): Promise<RotationResult> {
    const underWay = await this.begin(newKey);
    if (!underWay) {
      const { under } = await countSealed(this.database, sealedPrefix(newKey.id));
      return { newKeyId: newKey.id, resealed: 0, secrets: under, state: 'not-begun' };
    }
    const resealed = await this.resealAll(newKey.id);
    const { file } = this.source;
    if (!install || file === undefined) {
      const { under } = await countSealed(this.database, sealedPrefix(newKey.id));
      return { newKeyId: newKey.id, resealed, secrets: under, state: 'open' };
    }
    await this.install(newKey, file);
    const result = await this.finish();
    const oldKeyFile = result.retired === undefined ? {} : { oldKeyFile: `${file}.${result.retired.id}` };
    return { ...result, resealed: result.resealed + resealed, ...oldKeyFile };
  }

  /**
   * Ends a rotation: from now on the old key opens nothing.
   * @throws MasterKeyError when this process itself does not have the new key yet, or no rotation is under way
   */
  async finish(): Promise<RotationResult> {
    const known = await knownKeys(this.database);
    const { id } = current(known);
    const previous = known.find(({ state }) => state === 'previous');
    if (previous === undefined) {
      throw new MasterKeyError(`No rotation is under way: everything is sealed under the master key ${id} alone.`);
    }
    const given = await this.source.read();
    if (given.id !== id) {
      throw new MasterKeyError(
        `The master key ${this.source.words} is still the old one (id ${given.id}). Put the new one (id ${id}) there, restart every process with it, and say --finish again.`,
      );
    }
    let resealed = 0;
    for (;;) {
      resealed += await this.resealAll(id);
      const retired = await this.retire(previous.id, id);
      if (retired === undefined) continue;
      this.say(`the old key ${previous.id} opens nothing any more`);
      const { under } = await countSealed(this.database, sealedPrefix(id));
      return { newKeyId: id, resealed, secrets: under, state: 'done', retired };
    }
  }

  /** @returns whether there is anything to do */
  private async begin(newKey: MasterKey): Promise<boolean> {
    const began = await this.database.transaction(async (sql) => {
      const known = await lockKeys(sql);
      const now = current(known);
      const isUnderWay = known.some(({ state }) => state === 'previous');
      if (now.id === newKey.id) return isUnderWay;
      if (known.some(({ id, state }) => id === newKey.id && state === 'previous')) {
        // Back to the old key; both are there already, sealed under each other.
        await sql.query(`update master_key set state = 'retired' where id = $1`, [now.id]);
        await sql.query(`update master_key set state = 'current' where id = $1`, [newKey.id]);
        await sql.query(`update master_key set state = 'previous' where id = $1`, [now.id]);
        return true;
      }
      if (isUnderWay) {
        throw new MasterKeyError(
          `A rotation to the master key ${now.id} is under way, and the key that you gave has the id ${newKey.id}. Give that one again, or the old one to go back; when it is done, rotate once more.`,
        );
      }
      const before = known.find(({ id }) => id === newKey.id);
      if (before !== undefined) {
        throw new MasterKeyError(
          `Expected a new master key, got one (id ${before.id}) that was replaced on ${before.retiredAt?.toISOString()}. Make a fresh one with: openssl rand -base64 32`,
        );
      }
      const oldKey = await this.ring.key(now.id, sql);
      await sql.query(`update master_key set state = 'previous', wrapped = $2 where id = $1`, [
        oldKey.id,
        newKey.seal(wrappedName(oldKey.id), oldKey.bytes),
      ]);
      await sql.query(`insert into master_key (id, state, wrapped) values ($1, 'current', $2)`, [
        newKey.id,
        oldKey.seal(wrappedName(newKey.id), newKey.bytes),
      ]);
      return true;
    });
    if (began) this.say(`secrets are sealed under the master key ${newKey.id} from now on, and both keys open them`);
    return began;
  }

  private async resealAll(newKeyId: string): Promise<number> {
    const newKey = await this.ring.key(newKeyId);
    let total = 0;
    for (const column of SEALED_COLUMNS) {
      for (;;) {
        const resealed = await this.database.transaction((sql) =>
          resealSome(
            sql,
            column,
            sealedPrefix(newKeyId),
            async (name, sealed) => newKey.seal(name, await this.openAny(sql, name, sealed)),
            BATCH,
          ),
        );
        if (resealed === 0) break;
        total += resealed;
        this.say(`${total} secrets sealed anew`);
      }
    }
    return total;
  }

  private openAny(sql: Sql, name: string, sealed: Buffer): Promise<Buffer> {
    if (keyIdOf(sealed) === undefined) {
      throw new MasterKeyError(
        `The secret "${name}" does not say under which master key it is sealed, so that it cannot be sealed anew: the stored value was changed. Restore it from a backup, then run this again.`,
      );
    }
    return this.ring.open(name, sealed, sql);
  }

  /** Puts the new key where the old one is; a copy of that stays beside it under its id. Nobody sees half a file. */
  private async install(newKey: MasterKey, file: string): Promise<void> {
    const oldKey = await readKeyFile(file);
    if (oldKey.id === newKey.id) return;
    const { uid, gid } = await stat(file);
    const draft = `${file}.${randomUUID()}`;
    try {
      {
        await using written = await open(draft, 'wx', 0o600);
        await written.writeFile(encodeMasterKey(newKey));
        await written.sync();
      }
      // Whoever runs this may be root, and the control plane another user.
      await chown(draft, uid, gid);
      await link(file, `${file}.${oldKey.id}`).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      await rename(draft, file);
    } catch (error) {
      throw new MasterKeyError(
        `The new key cannot be put into ${file} (${error instanceof Error ? error.message : error}). Both keys open everything meanwhile: put it there yourself, restart every process, and say: aviary-control-plane rotate-master-key --finish`,
      );
    } finally {
      await rm(draft, { force: true });
    }
    await using directory = await open(dirname(file), 'r');
    await directory.sync();
    this.say(`${file} holds the new key; the old one is in ${file}.${oldKey.id}`);
  }

  /** @returns undefined when something is still sealed under another key */
  private retire(oldId: string, newId: string): Promise<{ id: string; at: Date } | undefined> {
    return this.database.transaction(async (sql) => {
      await lockKeys(sql);
      if ((await countSealed(sql, sealedPrefix(newId))).others > 0) return undefined;
      const [row] = await sql.query<{ at: Date }>(
        `update master_key set state = 'retired', wrapped = null, retired_at = now()
         where id = $1 and state = 'previous' returning retired_at as at`,
        [oldId],
      );
      await sql.query(`update master_key set wrapped = null where id = $1 and state = 'current'`, [newId]);
      if (row === undefined)
        throw new MasterKeyError('Another run has ended this rotation; there is nothing left to do.');
      return { id: oldId, at: row.at };
    });
  }
}
