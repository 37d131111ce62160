import pg from 'pg';
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import type { Logger } from './log.ts';
import { Initial1764000000000 } from './migrations/1764000000000-initial.ts';
import { AccessLiveFederation1765000000000 } from './migrations/1765000000000-access-live-federation.ts';
import { ImageRepository1766000000000 } from './migrations/1766000000000-image-repository.ts';
import { Enrollment1766000000001 } from './migrations/1766000000001-enrollment.ts';
import { MasterKeys1766000000002 } from './migrations/1766000000002-master-keys.ts';
import { Probes1766300000000 } from './migrations/1766300000000-probes.ts';
import { RolloutsAtScale1767000000000 } from './migrations/1767000000000-rollouts-at-scale.ts';
import { RolloutStrategy1767100000000 } from './migrations/1767100000000-rollout-strategy.ts';
import { RolloutTargets1767200000000 } from './migrations/1767200000000-rollout-targets.ts';
import { SwitchTerms1767300000000 } from './migrations/1767300000000-switch-terms.ts';
import { Histories1767400000000 } from './migrations/1767400000000-histories.ts';
import { MembersByProfile1767500000000 } from './migrations/1767500000000-members-by-profile.ts';
import { BoardState1767600000000 } from './migrations/1767600000000-board-state.ts';
import { Shadow1767710000000 } from './migrations/1767710000000-shadow.ts';
import { OperatorProfiles1767810000000 } from './migrations/1767810000000-operator-profiles.ts';
import { FollowedKeys1767900000000 } from './migrations/1767900000000-followed-keys.ts';

/** Any number that is ours: the advisory lock under which migrations run. */
const MIGRATION_LOCK = 7_245_501;

const RELISTEN_MS = 1_000;

/** The database does not answer, or not to us. */
export class DatabaseUnreachableError extends Error {
  readonly code = 'database-unreachable';
}

/** A statement that each connection plans once, instead of each time: for what runs all the time. */
export interface PreparedStatement {
  /** Of its own among all statements. */
  readonly name: string;
  readonly text: string;
}

/** Runs SQL; a connection of its own or a transaction. */
export interface Sql {
  query<Row>(statement: string | PreparedStatement, parameters?: readonly unknown[]): Promise<Row[]>;
}

const runText = async <Row>(
  manager: DataSource | EntityManager,
  text: string,
  parameters: readonly unknown[],
): Promise<Row[]> => {
  const result: unknown = await manager.query(text, [...parameters]);
  // TypeORM answers UPDATE and DELETE with [rows, count], everything else with rows.
  return (Array.isArray(result) && Array.isArray(result[0]) && result.length === 2 ? result[0] : result) as Row[];
};

/** Past TypeORM, which knows no names of statements. */
const runPrepared = async <Row>(
  runner: QueryRunner,
  { name, text }: PreparedStatement,
  parameters: readonly unknown[],
): Promise<Row[]> => {
  const client = (await runner.connect()) as pg.PoolClient;
  const { rows } = await client.query({ name, text, values: [...parameters] });
  return rows as Row[];
};

const inTransaction = (manager: EntityManager): Sql => ({
  query: <Row>(statement: string | PreparedStatement, parameters: readonly unknown[] = []) => {
    if (typeof statement === 'string') return runText<Row>(manager, statement, parameters);
    const { queryRunner } = manager;
    if (queryRunner === undefined) throw new TypeError('expected a transaction, which has a connection of its own');
    return runPrepared<Row>(queryRunner, statement, parameters);
  },
});

/**
 * Sees each transaction when its work is done and can still be undone.
 * @param result what the work answered
 * @returns what to do once it is committed
 */
export type CommitWitness = (sql: Sql, result: unknown) => Promise<() => void>;

/** The PostgreSQL that the roles share: TypeORM for what people edit, hand-written SQL beside it, LISTEN for wake-ups. */
export class Database implements Sql {
  readonly source: DataSource;
  private readonly url: string;
  private readonly log: Logger;
  private readonly listeners = new Set<pg.Client>();
  private closing = false;
  private witness: CommitWitness | undefined;

  // Benches run this file as it is, with its types taken out: fields are written out.
  constructor(url: string, log: Logger) {
    this.url = url;
    this.log = log;
    this.source = new DataSource({
      type: 'postgres',
      url,
      migrations: [
        Initial1764000000000,
        AccessLiveFederation1765000000000,
        ImageRepository1766000000000,
        Enrollment1766000000001,
        MasterKeys1766000000002,
        Probes1766300000000,
        RolloutsAtScale1767000000000,
        RolloutStrategy1767100000000,
        RolloutTargets1767200000000,
        SwitchTerms1767300000000,
        Histories1767400000000,
        MembersByProfile1767500000000,
        BoardState1767600000000,
        Shadow1767710000000,
        OperatorProfiles1767810000000,
        FollowedKeys1767900000000,
      ],
      migrationsTransactionMode: 'all',
      extra: { max: 12 },
      poolErrorHandler: (error: unknown) => log.warn({ error: String(error) }, 'an idle database connection ended'),
    });
  }

  /** Connects, and brings the schema up to date: whichever process comes first does it while the others wait. */
  async start(): Promise<void> {
    try {
      await this.source.initialize();
    } catch (error) {
      // Without the user and the password that the address holds.
      const { host, pathname } = new URL(this.url);
      const why = error instanceof Error ? error.message || String(error) : String(error);
      throw new DatabaseUnreachableError(
        `The database ${pathname.slice(1)} at ${host} cannot be used: ${why}. Check DATABASE_URL, and that PostgreSQL runs there.`,
      );
    }
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', (error) => this.log.warn({ error: error.message }, 'the migration connection ended'));
    await client.connect();
    try {
      await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
      await this.source.runMigrations();
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    this.closing = true;
    await Promise.all([...this.listeners].map((client) => client.end().catch(() => undefined)));
    await this.source.destroy();
  }

  async query<Row>(statement: string | PreparedStatement, parameters: readonly unknown[] = []): Promise<Row[]> {
    if (typeof statement === 'string') return runText(this.source, statement, parameters);
    const runner = this.source.createQueryRunner();
    try {
      return await runPrepared(runner, statement, parameters);
    } finally {
      await runner.release();
    }
  }

  /** Runs `work` in one transaction, which ends with it. */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    let committed = () => {};
    const result = await this.source.transaction(async (manager: EntityManager) => {
      const sql = inTransaction(manager);
      const done = await work(sql);
      if (this.witness !== undefined) committed = await this.witness(sql, done);
      return done;
    });
    committed();
    return result;
  }

  /** Lets `witness` see every transaction from now on, and write into it. */
  beforeCommit(witness: CommitWitness): void {
    this.witness = witness;
  }

  /**
   * Calls `wake` on each notification of `channel`. A lost one is no harm: whoever listens also looks from time to
   * time. The connection is made again whenever it ends.
   */
  listen(channel: 'outbox' | 'rollouts' | 'rounds' | 'changes' | 'certificates', wake: () => void): void {
    if (this.closing) return;
    const client = new pg.Client({ connectionString: this.url, keepAlive: true });
    this.listeners.add(client);
    client.once('end', () => {
      this.listeners.delete(client);
      setTimeout(() => this.listen(channel, wake), RELISTEN_MS).unref();
    });
    client.on('error', (error) => this.log.warn({ channel, error: error.message }, 'a listening connection ended'));
    client.on('notification', wake);
    client
      .connect()
      .then(() => client.query(`listen ${channel}`))
      .then(wake, () => client.end());
  }
}

/** SQL for a point in time as whole milliseconds since 1970. */
export const millisecondsOf = (expression: string): string => `round(extract(epoch from ${expression}) * 1000)::float8`;
