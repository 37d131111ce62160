import type { TrustOutcome } from '@aviary/protocol';
import {
  createFleetTarget,
  createRoot,
  createTargets,
  encodeMetadata,
  type FleetTarget,
  type RootContent,
  type Signer,
  signMetadata,
} from '@aviary/release';
import type { Connection } from '../connection.ts';
import type { FleetRepository } from './fleet-repository.ts';

const DAY_MS = 86_400_000;
/** How long the publisher's word counts without being given again. */
export const OFFLINE_LIFE_MS = 365 * DAY_MS;

type TargetFile = Parameters<typeof createTargets>[1] extends Iterable<infer File> ? File : never;

/** What is to be different from what is published. */
export interface Change {
  readonly root?: { readonly roles: RootContent['roles']; readonly signers: readonly Signer[] };
  readonly targets?: {
    /** Changes the targets by path. */
    readonly edit: (targets: Map<string, TargetFile>) => void;
    readonly signers: readonly Signer[];
    readonly fleet?: Partial<{ readonly [Name in FleetTarget]: Parameters<typeof createFleetTarget<Name>>[1] }>;
    /** For each variant that is new. */
    readonly variants?: readonly { readonly path: string; readonly ageHeader: string }[];
  };
}

/** Signs a change of what is published now, and sends it. */
export const sendChange = async (
  connection: Connection,
  repository: FleetRepository,
  { root, targets }: Change,
): Promise<TrustOutcome> => {
  const expires = Date.now() + OFFLINE_LIFE_MS;
  let rootText: string | undefined;
  if (root !== undefined) {
    const metadata = createRoot({ version: repository.root.version + 1, expires, roles: root.roles });
    signMetadata(metadata, root.signers);
    rootText = encodeMetadata(metadata);
  }
  let targetsText: string | undefined;
  const files: string[] = [];
  if (targets !== undefined) {
    const all = new Map<string, TargetFile>(Object.entries(repository.targets.targets));
    targets.edit(all);
    for (const [name, content] of Object.entries(targets.fleet ?? {})) {
      const { target, bytes } = createFleetTarget(name as FleetTarget, content as never);
      all.set(target.path, target);
      files.push(bytes.toString('base64'));
    }
    const metadata = createTargets({ version: repository.targets.version + 1, expires }, all.values());
    signMetadata(metadata, targets.signers);
    targetsText = encodeMetadata(metadata);
  }
  return connection.client.changeTrust({
    body: {
      ...(rootText === undefined ? {} : { root: rootText }),
      ...(targetsText === undefined ? {} : { targets: targetsText }),
      files,
      variants: [...(targets?.variants ?? [])],
    },
  });
};

/** What came of it, in words, for the terminal. */
export const outcomeInWords = ({ published, missing }: TrustOutcome): string => {
  if (published) return 'It is published.';
  const parts = [
    ...(missing.root > 0 ? [`${missing.root} more of root keys (aviary root sign)`] : []),
    ...(missing.targets > 0 ? [`${missing.targets} more of publisher keys (aviary model sign)`] : []),
  ];
  return `It waits for signatures: ${parts.join(', ')}.`;
};
