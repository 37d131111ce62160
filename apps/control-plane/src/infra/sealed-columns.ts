import type { Sql } from './database.ts';

/** A column of the database whose values are sealed under the master key. */
export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** SQL for the name under which a row's value is sealed, which belongs to one row alone. */
  readonly name: string;
}

/** The name under which the file key of a variant is sealed. */
export const fileKeyName = (release: string, variant: string): string => `file-key:${release}:${variant}`;

/** All that is sealed. What is missing here would be lost with the old key at the end of a rotation. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: 'secret', column: 'sealed', name: 'name' },
  { table: 'variant', column: 'sealed_file_key', name: `'file-key:' || release || ':' || id` },
];

/** Opens a value, and seals it anew. */
export type Reseal = (name: string, sealed: Buffer) => Promise<Buffer> | Buffer;

/**
 * Seals anew what does not begin with `prefix`, at most `limit` values of a column, in the caller's transaction.
 * @returns how many
 */
export const resealSome = async (
  sql: Sql,
  { table, column, name }: SealedColumn,
  prefix: Buffer,
  reseal: Reseal,
  limit: number,
): Promise<number> => {
  const rows = await sql.query<{ place: string; name: string; sealed: Buffer }>(
    `select ctid::text as place, ${name} as name, ${column} as sealed from ${table}
     where substr(${column}, 1, ${prefix.length}) <> $1 order by 2 limit $2 for update`,
    [prefix, limit],
  );
  for (const row of rows) {
    // The row is locked, so that it stays in its place until it is written.
    await sql.query(`update ${table} set ${column} = $2 where ctid = $1::tid`, [
      row.place,
      await reseal(row.name, row.sealed),
    ]);
  }
  return rows.length;
};

/** How many values begin with `prefix`, and how many do not. */
export const countSealed = async (sql: Sql, prefix: Buffer): Promise<{ under: number; others: number }> => {
  const counts = { under: 0, others: 0 };
  for (const { table, column } of SEALED_COLUMNS) {
    const [row] = await sql.query<{ under: number; others: number }>(
      `select (count(*) filter (where substr(${column}, 1, ${prefix.length}) = $1))::integer as under,
         (count(*) filter (where substr(${column}, 1, ${prefix.length}) <> $1))::integer as others from ${table}`,
      [prefix],
    );
    counts.under += row?.under ?? 0;
    counts.others += row?.others ?? 0;
  }
  return counts;
};
