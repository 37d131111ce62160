import { createHash } from 'node:crypto';
import { Metadata, MetaFile, type TargetFile, Targets } from '@tufjs/models';
import type { Signer } from '../documents/signing-key.ts';
import { createSnapshot, createTargets } from '../tuf/role-metadata.ts';
import { decodeMetadata, encodeMetadata, type RoleMetadata, signMetadata } from '../tuf/signed-metadata.ts';
import type { RepositorySimulator } from './repository-simulator.ts';

/** A role to which the targets role hands a part of the paths (TUF 1.0.30, 4.5), and what it publishes. */
export interface DelegatedEdition {
  readonly name: string;
  /** Patterns of the paths that it may say something of. */
  readonly paths: readonly string[];
  readonly files: readonly TargetFile[];
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
  /** Whose keys count, and how many must sign. */
  readonly signers: readonly Signer[];
  readonly threshold: number;
  /** Who signs; absent: everybody whose keys count. */
  readonly signedBy?: readonly Signer[];
  /** No role after it is asked for the same paths. */
  readonly terminating?: boolean;
  /** False: the snapshot does not name it. */
  readonly inSnapshot?: boolean;
}

/** As TUF writes it (4.5); the package exports no classes for it. */
const delegationsTo = (roles: readonly DelegatedEdition[]) => ({
  keys: Object.fromEntries(
    roles.flatMap(({ signers }) =>
      signers.map(({ keyId, publicKeyPem }) => [
        keyId,
        { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: { public: publicKeyPem } },
      ]),
    ),
  ),
  roles: roles.map(({ name, paths, signers, threshold, terminating = false }) => ({
    name,
    paths: [...paths],
    keyids: signers.map(({ keyId }) => keyId),
    threshold,
    terminating,
  })),
});

/** The same targets metadata, which hands paths to other roles; not signed yet. */
const withDelegations = (
  { signed }: RoleMetadata<'targets'>,
  roles: readonly DelegatedEdition[],
): RoleMetadata<'targets'> => new Metadata(Targets.fromJSON({ ...signed.toJSON(), delegations: delegationsTo(roles) }));

/** Publishes targets that hand paths to other roles, what these say, and a snapshot and timestamp over all of it. */
export const publishDelegated = (simulator: RepositorySimulator, roles: readonly DelegatedEdition[]): void => {
  const { versions, edition } = simulator;
  const before = decodeMetadata('targets', simulator.file(`${versions.targets}.targets.json`));
  versions.targets += 1;
  const common = { version: versions.targets, expires: edition.expires.targets };
  simulator.put('targets', withDelegations(createTargets(common, Object.values(before.signed.targets)), roles));
  versions.snapshot += 1;
  const snapshot = createSnapshot(
    { version: versions.snapshot, expires: edition.expires.snapshot },
    { version: versions.targets, text: simulator.file(`${versions.targets}.targets.json`) },
  );
  for (const role of roles) {
    const { name, version, expires, files, signedBy = role.signers, inSnapshot = true } = role;
    const metadata = createTargets({ version, expires }, files);
    signMetadata(metadata, signedBy);
    const text = encodeMetadata(metadata);
    simulator.files.set(`${version}.${name}.json`, text);
    if (!inSnapshot) continue;
    const hashes = { sha256: createHash('sha256').update(text).digest('hex') };
    snapshot.signed.meta[`${name}.json`] = new MetaFile({ version, length: Buffer.byteLength(text), hashes });
  }
  simulator.put('snapshot', snapshot);
  simulator.publishTimestamp();
};
