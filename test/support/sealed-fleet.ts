import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../apps/control-plane/src/config.ts';
import { KeyRing } from '../../apps/control-plane/src/infra/key-ring.ts';
import { KeyRotation } from '../../apps/control-plane/src/infra/key-rotation.ts';
import type { MasterKey } from '../../apps/control-plane/src/infra/master-key.ts';
import { findMasterKeySource, type MasterKeySource } from '../../apps/control-plane/src/infra/master-key-source.ts';
import { openServices, type Services } from '../../apps/control-plane/src/roles/services.ts';
import { insertRelease } from './rows.ts';
import type { TestDatabase } from './test-database.ts';

/** A database with secrets in it, as a control plane has left them that was told its master key in some way. */
export class SealedFleet {
  /** A data directory of its own. */
  readonly data: string;
  private readonly opened: Services[] = [];

  private constructor(
    private readonly t: TestDatabase,
    data: string,
  ) {
    this.data = data;
  }

  /** Forgets what the database knew before. */
  static async open(t: TestDatabase): Promise<SealedFleet> {
    await t.clear();
    await t.query('truncate master_key, secret');
    return new SealedFleet(t, await mkdtemp(join(t.directory, 'data-')));
  }

  get keyFile(): string {
    return join(this.data, 'keys', 'master.key');
  }

  async putKey(key: MasterKey, file = this.keyFile): Promise<void> {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, key.bytes.toString('hex'));
  }

  /** One more process of the control plane, told its master key by these variables, or by the file. */
  async services(environment: NodeJS.ProcessEnv = {}): Promise<Services> {
    const { url, log } = this.t;
    const { config } = readConfig(['run', '--data', this.data, '--database-url', url], environment);
    const services = await openServices({ ...config, databaseUrl: url }, log);
    this.opened.push(services);
    return services;
  }

  /** A rotation as the program runs it. @param say told after each step; what it throws is where the program died */
  async rotation(
    say: (words: string) => void = () => {},
    environment: NodeJS.ProcessEnv = {},
    database = this.t.database,
  ): Promise<KeyRotation> {
    const ring = await this.ring(environment, database);
    return new KeyRotation(database, ring, await this.source(environment), say);
  }

  /** The keys of one more process. */
  async ring(environment: NodeJS.ProcessEnv = {}, database = this.t.database): Promise<KeyRing> {
    const ring = new KeyRing(database, await this.source(environment));
    await ring.start();
    return ring;
  }

  private source(environment: NodeJS.ProcessEnv): Promise<MasterKeySource> {
    return findMasterKeySource(readConfig(['run', '--data', this.data], environment).config);
  }

  /** Registers a release whose variants `v0`, `v1`, … have file keys. @returns these, by variant */
  async addFileKeys(key: MasterKey, release: string, count: number): Promise<Map<string, Buffer>> {
    await insertRelease(this.t, release, 1);
    const keys = new Map(Array.from({ length: count }, (_, index) => [`v${index}`, randomBytes(16)] as const));
    for (const [variant, fileKey] of keys) {
      await this.t.query(
        `insert into variant (release, id, target, sha256, length, plaintext_sha256, sealed_file_key)
         values ($1, $2, '{}', '', 0, '', $3)`,
        [release, variant, key.seal(`file-key:${release}:${variant}`, fileKey)],
      );
    }
    return keys;
  }

  /** What lies in the database, by name. */
  async sealed(): Promise<Map<string, Buffer>> {
    const rows = await this.t.query<{ name: string; sealed: Buffer }>(
      `select name, sealed from secret
       union all select 'file-key:' || release || ':' || id, sealed_file_key from variant`,
    );
    return new Map(rows.map(({ name, sealed }) => [name, sealed]));
  }

  async states(): Promise<Record<string, string>> {
    const rows = await this.t.query<{ id: string; state: string }>('select id, state from master_key');
    return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
  }

  /** Seals everything as it was before values named their key, and forgets the keys. */
  async goBackInTime(key: MasterKey): Promise<void> {
    for (const [name, sealed] of await this.sealed()) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key.bytes, iv).setAAD(Buffer.from(name));
      const body = Buffer.concat([cipher.update(key.open(name, sealed)), cipher.final()]);
      const old = Buffer.concat([iv, cipher.getAuthTag(), body]);
      await this.t.query('update secret set sealed = $2 where name = $1', [name, old]);
      await this.t.query(`update variant set sealed_file_key = $2 where 'file-key:' || release || ':' || id = $1`, [
        name,
        old,
      ]);
    }
    await this.t.query('truncate master_key');
  }

  async stop(): Promise<void> {
    for (const { database } of this.opened.splice(0)) await database.stop();
    await rm(this.data, { recursive: true, force: true });
  }
}
