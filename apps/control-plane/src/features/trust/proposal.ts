import type { TrustChange } from '@aviary/protocol';
import {
  decodeMetadata,
  encodeMetadata,
  type RoleMetadata,
  saysTheSame,
  signaturesOn,
  type TufRole,
} from '@aviary/release';
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
 * What was sent, with the signatures on what waits already, when it says the same. Only signatures that count are taken:
 * whoever sends another one in somebody's name takes nothing away.
 * @param before the root that is published, where there is one
 * @throws ProblemError `proposal-exists` when another change waits
 */
export const withKept = (
  sent: Proposal,
  kept: Proposal | undefined,
  before: RoleMetadata<'root'> | undefined,
): Proposal => {
  if (kept !== undefined && ROLES.some((role) => differs(sent[role], kept[role]))) {
    throw conflict(
      'proposal-exists',
      'Another change waits for signatures, and only one may at a time. Sign it (aviary root sign), or discard it (aviary root discard).',
    );
  }
  const proposal = kept ?? sent;
  const roots = [before, proposal.root ?? sent.root].filter((root) => root !== undefined);
  for (const role of ROLES) {
    const metadata = proposal[role];
    if (metadata === undefined) continue;
    const counting = { ...countingOn(sent[role], role, roots), ...countingOn(kept?.[role], role, roots) };
    for (const id of Object.keys(metadata.signatures)) delete metadata.signatures[id];
    Object.assign(metadata.signatures, counting);
  }
  return proposal;
};

const ROLES = ['root', 'targets'] as const;

const differs = (sent: RoleMetadata<TufRole> | undefined, kept: RoleMetadata<TufRole> | undefined): boolean =>
  sent !== undefined && (kept === undefined || !saysTheSame(sent, kept));

/** Those signatures of keys that one of the roots names for the role, and that are theirs. */
const countingOn = (
  metadata: RoleMetadata<TufRole> | undefined,
  role: TufRole,
  roots: readonly RoleMetadata<'root'>[],
): RoleMetadata<TufRole>['signatures'] => {
  if (metadata === undefined) return {};
  const ids = new Set(roots.flatMap((root) => signaturesOn(root, role, metadata).keyIds));
  return Object.fromEntries(Object.entries(metadata.signatures).filter(([id]) => ids.has(id)));
};
