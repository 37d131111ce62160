import type { Sql } from '../../../apps/control-plane/dist/infra/database.js';

export interface Explained {
  readonly statement: string;
  /** As `explain (analyze, buffers)` prints it. */
  readonly plan: string;
  /** Pages read or changed in shared memory, by the whole statement with its triggers. */
  readonly buffers: number;
}

/** Hundreds of ids say no more than one. */
const LONG_LIST = /'\{([^},]*)[^}]{100,}\}'/g;

/** Of the whole statement, which is its first node. */
const BUFFERS = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/;

/** Runs the statements of whatever is given it, and explains each first, which runs it too and is undone. */
export class ExplainedSql implements Sql {
  readonly explained: Explained[] = [];

  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async query<Row>(statement: Parameters<Sql['query']>[0], parameters: readonly unknown[] = []): Promise<Row[]> {
    const text = typeof statement === 'string' ? statement : statement.text;
    await this.#sql.query('savepoint explained');
    const lines = await this.#sql.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${text}`, parameters);
    await this.#sql.query('rollback to savepoint explained');
    const plan = lines
      .map((line) => line['QUERY PLAN'])
      .join('\n')
      .replaceAll(LONG_LIST, "'{$1,…}'");
    const [, hit = '0', read = '0'] = BUFFERS.exec(plan) ?? [];
    this.explained.push({ statement: text.trim(), plan, buffers: Number(hit) + Number(read) });
    return this.#sql.query<Row>(statement, parameters);
  }
}

export const buffersOf = (explained: readonly Explained[]): number =>
  explained.reduce((sum, { buffers }) => sum + buffers, 0);
