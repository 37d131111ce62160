import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Database } from '../../apps/control-plane/src/infra/database.ts';
import type { Logger } from '../../apps/control-plane/src/infra/log.ts';
import {
  type EmbeddedDatabase,
  startEmbeddedDatabase,
} from '../../apps/control-plane/src/launcher/embedded-database.ts';
import { layDatabase } from './database-template.ts';
import { createMemoryLog, type LogLine } from './memory-log.ts';

/** A real PostgreSQL of a test file's own, with the schema in it, in a folder that goes with it. */
export class TestDatabase {
  private constructor(
    readonly directory: string,
    readonly database: Database,
    readonly url: string,
    /** What was logged through `log`. */
    readonly lines: readonly LogLine[],
    readonly log: Logger,
    private readonly server: EmbeddedDatabase,
  ) {}

  static async start(): Promise<TestDatabase> {
    const directory = await mkdtemp(join(tmpdir(), 'aviary-database-'));
    // The server runs as another user when the tests run as root, and has to reach its data below.
    await chmod(directory, 0o711);
    await layDatabase(directory);
    const server = await startEmbeddedDatabase(directory, () => {});
    // What a power cut would lose is lost with the folder anyway.
    await once(
      server.url,
      'alter system set fsync = off',
      'alter system set deadlock_timeout = 100',
      'select pg_reload_conf()',
    );
    const { log, lines } = createMemoryLog();
    const database = new Database(server.url, log);
    await database.start();
    return new TestDatabase(directory, database, server.url, lines, log, server);
  }

  /** Another process's connections to the same database. The caller stops it. */
  async another(): Promise<Database> {
    const database = new Database(this.url, this.log);
    await database.start();
    return database;
  }

  query<Row>(text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.database.query<Row>(text, parameters);
  }

  /** Empties every table, but for the keys, which running services have in their memory. */
  async clear(): Promise<void> {
    const tables = await this.query<{ name: string }>(
      `select format('%I', tablename) as name from pg_tables where schemaname = 'public' and tablename not in ('migrations', 'master_key', 'secret')`,
    );
    await this.query(`truncate ${tables.map(({ name }) => name).join(', ')} restart identity cascade`);
  }

  /** Ends connections as a crash of their process would, from the outside. @param like of their current statement */
  async kill(like: string): Promise<number> {
    const killed = await this.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and query ilike $1`,
      [like],
    );
    return killed.length;
  }

  async stop(): Promise<void> {
    await this.database.stop();
    await this.server.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

const once = async (url: string, ...statements: string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
};
