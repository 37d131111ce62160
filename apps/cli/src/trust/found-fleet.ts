import type { TrustState } from '@aviary/protocol';
import {
  createFleetTarget,
  createRoot,
  createTargets,
  DIRECTOR_TARGET,
  encodeMetadata,
  type NamedKey,
  type RoleKeys,
  type Signer,
  STOPPED_TARGET,
  signMetadata,
} from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import type { Connection } from '../connection.ts';
import { pinRoot } from './fleet-repository.ts';
import { OFFLINE_LIFE_MS } from './signed-change.ts';

export interface Founding {
  readonly root: RoleKeys;
  readonly targets: RoleKeys;
  /** With these it is signed now; holders of other keys sign afterwards. */
  readonly rootSigner: Signer;
  readonly targetsSigner: Signer;
  /** For these keys the fleet is known from now on. */
  readonly keyPaths: readonly string[];
}

/** Keys of the control plane of one role, as it names them. */
const onlineKeys = ({ onlineKeys: keys }: TrustState, role: 'snapshot' | 'timestamp' | 'director'): NamedKey[] =>
  keys.filter((key) => key.role === role).map(({ publicKey }) => ({ name: 'control plane', publicKey }));

/**
 * Founds the image repository of a fleet: who may say what runs there.
 * @throws UsageError when it was founded before
 */
export const foundFleet = async (connection: Connection, state: TrustState, founding: Founding) => {
  if (state.roles.length > 0) {
    throw new UsageError(
      'The image repository of this fleet was founded before. See whose keys count: aviary key list',
    );
  }
  const expires = Date.now() + OFFLINE_LIFE_MS;
  const root = createRoot({
    version: 1,
    expires,
    roles: {
      root: founding.root,
      targets: founding.targets,
      snapshot: { threshold: 1, keys: onlineKeys(state, 'snapshot') },
      timestamp: { threshold: 1, keys: onlineKeys(state, 'timestamp') },
    },
  });
  signMetadata(root, [founding.rootSigner]);
  const fleet = [
    createFleetTarget(DIRECTOR_TARGET, { keys: onlineKeys(state, 'director') }),
    createFleetTarget(STOPPED_TARGET, { releases: [] }),
  ];
  const targets = createTargets(
    { version: 1, expires },
    fleet.map(({ target }) => target),
  );
  signMetadata(targets, [founding.targetsSigner]);
  const text = encodeMetadata(root);
  const outcome = await connection.client.foundTrust({
    body: {
      root: text,
      targets: encodeMetadata(targets),
      files: fleet.map(({ bytes }) => bytes.toString('base64')),
      variants: [],
    },
  });
  for (const path of founding.keyPaths) await pinRoot(path, text);
  return { outcome, root: text };
};
