import {
  contentOfRoot,
  decodeMetadata,
  encodeMetadata,
  keyId,
  type NamedKey,
  type RoleMetadata,
  rootFingerprint,
  type Signer,
  signMetadata,
  statementsIn,
  TUF_ROLES,
} from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import type { Connection } from '../connection.ts';
import { printable } from '../render/table.ts';
import { FleetRepository, fetchProposal, isPinned, pinRoot } from './fleet-repository.ts';

type SignedTargets = RoleMetadata<'targets'>['signed'];

/** What a new root changes about whose keys count, a line each. */
export const rootChanges = (before: RoleMetadata<'root'> | undefined, after: RoleMetadata<'root'>): string[] => {
  const [old, now] = [before === undefined ? undefined : contentOfRoot(before), contentOfRoot(after)];
  const lines = [`root version ${now.version}, until ${new Date(now.expires).toISOString().slice(0, 10)}`];
  for (const role of TUF_ROLES) {
    const [was, is] = [old?.roles[role], now.roles[role]];
    const has = (keys: readonly NamedKey[] | undefined, { publicKey }: NamedKey) =>
      keys?.some((key) => keyId(key.publicKey) === keyId(publicKey)) === true;
    const words = (key: NamedKey) => `${printable(key.name)} (${keyId(key.publicKey).slice(0, 16)})`;
    for (const key of is.keys) if (!has(was?.keys, key)) lines.push(`${role}: adds ${words(key)}`);
    for (const key of was?.keys ?? []) if (!has(is.keys, key)) lines.push(`${role}: removes ${words(key)}`);
    if (was?.threshold !== is.threshold) lines.push(`${role}: ${is.threshold} of ${is.keys.length} have to sign`);
  }
  return lines;
};

/** What new targets change about what may run, a line each. */
export const targetChanges = (before: SignedTargets | undefined, after: SignedTargets): string[] => {
  const old = before === undefined ? new Map<string, never>() : statementsIn(before);
  const now = statementsIn(after);
  const lines = [`targets version ${after.version}, until ${after.expires.slice(0, 10)}`];
  for (const [name, { rollbackFloor, targets }] of now) {
    const known = old.get(name);
    if (known === undefined) lines.push(`publishes ${name}: ${targets.map(({ variant }) => variant).join(', ')}`);
    else if (known.rollbackFloor !== rollbackFloor) lines.push(`raises the floor of ${name} to ${rollbackFloor}`);
  }
  for (const name of old.keys()) if (!now.has(name)) lines.push(`revokes ${name}`);
  for (const path of ['director.json', 'stopped.json']) {
    if (before?.targets[path]?.hashes.sha256 !== after.targets[path]?.hashes.sha256) lines.push(`changes ${path}`);
  }
  return lines;
};

export interface SigningRequest {
  readonly role: 'root' | 'targets';
  readonly keyPath: string;
  readonly readSigner: () => Promise<Signer>;
  readonly rootFingerprint: string | undefined;
  /** Shows what it is that would be signed, and asks. @throws when the answer is no */
  readonly confirm: (lines: readonly string[]) => Promise<void>;
}

/**
 * Adds a signature to the change that waits for some.
 * @throws UsageError when none waits, or it needs none of this role
 */
export const signProposal = async (connection: Connection, request: SigningRequest) => {
  const { role, keyPath, confirm } = request;
  const proposal = await fetchProposal(connection);
  const text = proposal?.[role] ?? undefined;
  if (proposal === undefined || text === undefined) {
    throw new UsageError(`No change waits for a signature of ${role === 'root' ? 'root' : 'publisher'} keys.`);
  }
  const state = await connection.client.showTrust({});
  // Before the fleet is founded there is nothing to verify with: the fingerprint is what people compare.
  const isFounded = state.roles.length > 0;
  const proposedRoot = proposal.root === null ? undefined : decodeMetadata('root', proposal.root);
  const repository = isFounded
    ? await FleetRepository.open(connection, { keyPath, rootFingerprint: request.rootFingerprint })
    : undefined;
  if (!isFounded && proposedRoot !== undefined) expectFingerprint(proposedRoot, request.rootFingerprint);
  const metadata = decodeMetadata(role, text);
  await confirm(
    role === 'root'
      ? rootChanges(repository?.metadata.root, metadata as RoleMetadata<'root'>)
      : targetChanges(repository?.targets, metadata.signed as SignedTargets),
  );
  signMetadata(metadata, [await request.readSigner()]);
  const body = { [role]: encodeMetadata(metadata), files: proposal.files };
  const outcome = await (isFounded ? connection.client.changeTrust({ body }) : connection.client.foundTrust({ body }));
  if (!isFounded && proposedRoot !== undefined && !(await isPinned(keyPath))) {
    await pinRoot(keyPath, encodeMetadata(proposedRoot));
  }
  return outcome;
};

const expectFingerprint = (root: RoleMetadata<'root'>, told: string | undefined): void => {
  const fingerprint = rootFingerprint(root);
  if (told?.toLowerCase() === fingerprint) return;
  throw new UsageError(
    told === undefined
      ? `The fleet is being founded: its root has the fingerprint ${fingerprint}. Compare it with what whoever founds it has told you, and give it with --root-fingerprint.`
      : `Expected a root with the fingerprint ${told}, the one that waits has ${fingerprint}. Do not sign it.`,
  );
};
