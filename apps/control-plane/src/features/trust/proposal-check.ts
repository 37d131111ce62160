import type { TrustOutcome } from '@aviary/protocol';
import { expiryOf, type RoleMetadata, signaturesOn, verifyRole } from '@aviary/release';
import { badRequest, ProblemError } from '../../infra/problem.ts';
import type { CurrentMetadata } from './metadata-store.ts';
import type { Proposal } from './proposal.ts';

/** Metadata that no device would take any more. @throws ProblemError `metadata-expired` */
export const refuseExpired = (root: RoleMetadata<'root'>, targets: RoleMetadata<'targets'>): void => {
  for (const [role, metadata] of [
    ['root', root],
    ['targets', targets],
  ] as const) {
    if (expiryOf(metadata) > Date.now()) continue;
    throw badRequest(
      'metadata-expired',
      `Expected ${role} metadata that is valid, it expired at ${metadata.signed.expires}.`,
    );
  }
};

/** Signatures that a change still needs: a new root is signed as the one before it asks, and as it asks itself. */
export const missingIn = (
  { root, targets }: Proposal,
  before: RoleMetadata<'root'> | undefined,
): TrustOutcome['missing'] => {
  const missing = (
    signer: RoleMetadata<'root'> | undefined,
    role: 'root' | 'targets',
    metadata: typeof root | typeof targets,
  ) => {
    if (signer === undefined || metadata === undefined) return 0;
    const { keyIds, threshold } = signaturesOn(signer, role, metadata);
    return Math.max(0, threshold - keyIds.length);
  };
  return {
    root: Math.max(missing(before, 'root', root), missing(root, 'root', root)),
    targets: missing(root ?? before, 'targets', targets),
  };
};

/**
 * Nobody's metadata is kept, and targets that a new root no longer counts would blind every device.
 * @throws TufError `metadata-refused`; ProblemError `targets-need-signing`
 */
export const refuseUnsigned = (
  proposal: Proposal,
  root: RoleMetadata<'root'>,
  current: CurrentMetadata | undefined,
): void => {
  if (proposal.root !== undefined) {
    const counted = [current?.root.metadata, proposal.root].some(
      (signer) =>
        signer !== undefined && signaturesOn(signer, 'root', proposal.root as RoleMetadata<'root'>).keyIds.length > 0,
    );
    if (!counted) verifyRole(current?.root.metadata ?? proposal.root, 'root', proposal.root);
  }
  if (proposal.targets !== undefined) {
    if (signaturesOn(root, 'targets', proposal.targets).keyIds.length === 0)
      verifyRole(root, 'targets', proposal.targets);
  } else if (current !== undefined) {
    const { keyIds, threshold } = signaturesOn(root, 'targets', current.targets.metadata);
    if (keyIds.length < threshold) {
      throw new ProblemError(
        409,
        'targets-need-signing',
        `Expected targets metadata with this root: of those that are published only ${keyIds.length} of ${threshold} signatures would count. Sign them anew with the keys that stay.`,
      );
    }
  }
};
