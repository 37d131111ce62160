import type { TrustChange } from '@aviary/protocol';
import { decodeMetadata, encodeMetadata, type RoleMetadata, saysTheSame, type TufRole } from '@aviary/release';
import type { Sql } from '../../infra/database.ts';
import { millisecondsOf } from '../../infra/database.ts';
import { conflict } from '../../infra/problem.ts';

/** A change of what is published, as it was sent: maybe with too few signatures. */
export interface Proposal {
  readonly root: RoleMetadata<'root'> | undefined;
  readonly targets: RoleMetadata<'targets'> | undefined;
  readonly files: readonly Buffer[];
  readonly variants: NonNullable<TrustChange['variants']>;
}

export interface KeptProposal extends Proposal {
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

interface Row {
  readonly root: string | null;
  readonly targets: string | null;
  readonly files: string[];
  readonly variants: NonNullable<TrustChange['variants']>;
  readonly createdAt: number;
}

/** @throws TufError `metadata-malformed` */
export const readProposal = ({ root, targets, files = [], variants = [] }: TrustChange): Proposal => ({
  root: root === undefined ? undefined : decodeMetadata('root', root),
  targets: targets === undefined ? undefined : decodeMetadata('targets', targets),
  files: files.map((file) => Buffer.from(file, 'base64')),
  variants,
});

/** The one that waits for more signatures. */
export const keptProposal = async (sql: Sql): Promise<KeptProposal | undefined> => {
  const [row] = await sql.query<Row>(
    `select root, targets, files, variants, ${millisecondsOf('created_at')} as "createdAt" from trust_proposal`,
  );
  if (row === undefined) return undefined;
  const { root, targets, createdAt, ...rest } = row;
  return { ...readProposal({ ...rest, root: root ?? undefined, targets: targets ?? undefined }), createdAt };
};

export const keepProposal = async (sql: Sql, { root, targets, files, variants }: Proposal): Promise<void> => {
  await sql.query(
    `insert into trust_proposal (root, targets, files, variants) values ($1, $2, $3, $4)
     on conflict (one) do update set root = excluded.root, targets = excluded.targets`,
    [
      root === undefined ? null : encodeMetadata(root),
      targets === undefined ? null : encodeMetadata(targets),
      JSON.stringify(files.map((file) => file.toString('base64'))),
      JSON.stringify(variants),
    ],
  );
};

/** @returns whether there was one */
export const forgetProposal = async (sql: Sql): Promise<boolean> =>
  (await sql.query('delete from trust_proposal returning one')).length > 0;

/**
 * What was sent, with the signatures on what waits already, when it says the same.
 * @throws ProblemError `proposal-exists` when another change waits
 */
export const withKept = (sent: Proposal, kept: Proposal | undefined): Proposal => {
  if (kept === undefined) return sent;
  const differs = (['root', 'targets'] as const).some((role) => {
    const [one, other] = [sent[role], kept[role]];
    return one !== undefined && (other === undefined || !saysTheSame(one, other));
  });
  if (differs) {
    throw conflict(
      'proposal-exists',
      'Another change waits for signatures, and only one may at a time. Sign it (aviary root sign), or discard it (aviary root discard).',
    );
  }
  for (const role of ['root', 'targets'] as const) addSignatures(kept[role], sent[role]);
  return kept;
};

const addSignatures = (to: RoleMetadata<TufRole> | undefined, from: RoleMetadata<TufRole> | undefined): void => {
  if (to !== undefined && from !== undefined) Object.assign(to.signatures, from.signatures);
};
