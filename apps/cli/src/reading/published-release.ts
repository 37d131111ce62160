import {
  contentOfRoot,
  expiryOf,
  keyId,
  type ReleaseStatement,
  type ReleaseTarget,
  STOPPED_TARGET,
  statementsIn,
  type TrustedMetadata,
  TUF_ROLES,
  type TufRole,
} from '@aviary/release';
import type { FleetRepository } from '../trust/fleet-repository.ts';

/** The signed metadata of the fleet does not have what is looked for. */
export class NotPublishedError extends Error {
  readonly code = 'not-published';
}

/** A release as the publisher's signed metadata has it now. */
export interface PublishedRelease {
  readonly statement: ReleaseStatement;
  /** Whose signature its files have; null for the name of a key that may not sign any more. */
  readonly publisher: { readonly name: string | null; readonly keyId: string };
  /** Devices that run it have to stop it. */
  readonly stopped: boolean;
}

/** One variant of a release that is published. */
export interface PublishedVariant {
  readonly release: PublishedRelease;
  readonly target: ReleaseTarget;
}

/** How long the metadata counts that was verified. */
export interface MetadataState {
  /** Milliseconds since 1970: the first of its parts expires. */
  readonly expiresAt: number;
  readonly roles: Readonly<Record<TufRole, { readonly version: number; readonly expiresAt: number }>>;
}

const describe = async (repository: FleetRepository, statement: ReleaseStatement): Promise<PublishedRelease> => {
  const signer = keyId(statement.publisherKey);
  const { keys } = contentOfRoot(repository.metadata.root).roles.targets;
  const { releases: stopped } = await repository.fleetTarget(STOPPED_TARGET);
  return {
    statement,
    publisher: { name: keys.find(({ publicKey }) => keyId(publicKey) === signer)?.name ?? null, keyId: signer },
    stopped: stopped.includes(statement.release),
  };
};

/** @param name `model@version` @throws NotPublishedError */
export const publishedRelease = async (repository: FleetRepository, name: string): Promise<PublishedRelease> => {
  const statement = statementsIn(repository.targets).get(name);
  if (statement !== undefined) return describe(repository, statement);
  throw new NotPublishedError(
    `${name} is not among the releases that are published and signed for now: it never was, or it was taken back. See them with: aviary model list`,
  );
};

/** The variant of which something holds; undefined when there is none. */
export const publishedVariant = async (
  repository: FleetRepository,
  holds: (target: ReleaseTarget, statement: ReleaseStatement) => boolean,
): Promise<PublishedVariant | undefined> => {
  for (const statement of statementsIn(repository.targets).values()) {
    const target = statement.targets.find((candidate) => holds(candidate, statement));
    if (target !== undefined) return { release: await describe(repository, statement), target };
  }
  return undefined;
};

export const stateOf = (metadata: TrustedMetadata): MetadataState => {
  const part = (role: TufRole) => ({ version: metadata[role].signed.version, expiresAt: expiryOf(metadata[role]) });
  return {
    expiresAt: Math.min(...TUF_ROLES.map((role) => expiryOf(metadata[role]))),
    roles: {
      root: part('root'),
      targets: part('targets'),
      snapshot: part('snapshot'),
      timestamp: part('timestamp'),
    },
  };
};
