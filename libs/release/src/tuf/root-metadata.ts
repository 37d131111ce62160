import { createHash } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { Metadata, Root } from '@tufjs/models';
import { z } from 'zod';
import { decodePublicKey, keyId, publicKeyPem } from '../documents/signing-key.ts';
import { type RoleMetadata, TUF_ROLES, type TufRole, tufTime } from './signed-metadata.ts';
import { TufError } from './tuf-error.ts';

/** A public key and what people call whoever holds it. */
export interface NamedKey {
  readonly name: string;
  /** SPKI PEM, P-256. */
  readonly publicKey: string;
}

/** Who may sign for a role, and how many of them must. */
export interface RoleKeys {
  readonly threshold: number;
  readonly keys: readonly NamedKey[];
}

/** What root metadata says. */
export interface RootContent {
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
  readonly roles: Readonly<Record<TufRole, RoleKeys>>;
}

const NAME_FIELD = 'x-aviary-name';
/** Roles whose keys stay with people. */
const OFFLINE: ReadonlySet<TufRole> = new Set(['root', 'targets']);
const nameSchema = z.string().min(1).max(128);

/**
 * Root metadata that is not signed yet. A key is named by the SHA-256 of its PEM, as everywhere in Aviary (TUF, TAP 12,
 * leaves the choice of key ids to the repository).
 * @throws TufError `root-invalid`
 */
export function createRoot({ version, expires, roles }: RootContent): RoleMetadata<'root'> {
  checkRoles(roles);
  const keys = Object.fromEntries(
    TUF_ROLES.flatMap((role) => roles[role].keys).map(({ name, publicKey }) => [
      keyId(publicKey),
      {
        keytype: 'ecdsa',
        scheme: 'ecdsa-sha2-nistp256',
        keyval: { public: publicKeyPem(decodePublicKey(publicKey)) },
        [NAME_FIELD]: name,
      },
    ]),
  );
  const signed = Root.fromJSON({
    _type: 'root',
    spec_version: '1.0.30',
    version,
    expires: tufTime(expires),
    consistent_snapshot: true,
    keys,
    roles: Object.fromEntries(
      TUF_ROLES.map((role) => [
        role,
        { keyids: roles[role].keys.map(({ publicKey }) => keyId(publicKey)), threshold: roles[role].threshold },
      ]),
    ),
  });
  return new Metadata(signed);
}

/** What root metadata says of keys; keys of kinds that Aviary does not make are left out. */
export function contentOfRoot({ signed }: RoleMetadata<'root'>): RootContent {
  const keysOf = (role: TufRole): RoleKeys => {
    const { keyIDs = [], threshold = 1 } = signed.roles[role] ?? {};
    const keys = keyIDs.flatMap((id) => {
      const key = signed.keys[id];
      if (key?.keyVal.public === undefined) return [];
      const name = nameSchema.safeParse(key.unrecognizedFields?.[NAME_FIELD]);
      return [{ name: name.success ? name.data : id.slice(0, 12), publicKey: key.keyVal.public }];
    });
    return { threshold, keys };
  };
  return {
    version: signed.version,
    expires: Date.parse(signed.expires),
    roles: {
      root: keysOf('root'),
      targets: keysOf('targets'),
      snapshot: keysOf('snapshot'),
      timestamp: keysOf('timestamp'),
    },
  };
}

/** How many signatures metadata of a role has that a root counts, and how many it asks for. */
export function signaturesOn(
  root: RoleMetadata<'root'>,
  role: TufRole,
  metadata: RoleMetadata<TufRole>,
): { readonly keyIds: readonly string[]; readonly threshold: number } {
  const { keyIDs = [], threshold = 1 } = root.signed.roles[role] ?? {};
  const keyIds = keyIDs.filter((id) => {
    try {
      root.signed.keys[id]?.verifySignature(metadata as never);
      return root.signed.keys[id] !== undefined;
    } catch {
      return false;
    }
  });
  return { keyIds, threshold };
}

/** @throws TufError `metadata-refused` when fewer keys of the role signed than the root asks for */
export function verifyRole(root: RoleMetadata<'root'>, role: TufRole, metadata: RoleMetadata<TufRole>): void {
  const { keyIds, threshold } = signaturesOn(root, role, metadata);
  if (keyIds.length >= threshold && threshold > 0) return;
  throw new TufError(
    'metadata-refused',
    `expected ${role} metadata signed by ${threshold} of its keys in root version ${root.signed.version}, ${keyIds.length} of them signed`,
  );
}

/**
 * Whether `next` may follow `current` (TUF, 5.3.4 and 5.3.5): the next version, signed as both of them ask.
 * @throws TufError `metadata-refused`
 */
export function verifyNextRoot(current: RoleMetadata<'root'>, next: RoleMetadata<'root'>): void {
  if (next.signed.version !== current.signed.version + 1) {
    throw new TufError(
      'metadata-refused',
      `expected root version ${current.signed.version + 1}, got ${next.signed.version}; take the current one and change that`,
    );
  }
  verifyRole(current, 'root', next);
  verifyRole(next, 'root', next);
}

/** SHA-256 over what a root says (canonical JSON), whoever has signed it: what people compare. */
export function rootFingerprint({ signed }: RoleMetadata<'root'>): string {
  return createHash('sha256').update(canonicalize(signed.toJSON())).digest('hex');
}

function checkRoles(roles: RootContent['roles']): void {
  const offline = new Set<string>();
  for (const role of TUF_ROLES) {
    const { threshold, keys } = roles[role];
    const ids = new Set(keys.map(({ publicKey }) => keyId(publicKey)));
    if (ids.size !== keys.length) throw invalid(`expected each key of role ${role} once`);
    if (!Number.isInteger(threshold) || threshold < 1 || threshold > keys.length) {
      throw invalid(
        `expected a threshold of 1 to ${keys.length} for role ${role}, which has ${keys.length} keys, got ${threshold}`,
      );
    }
    for (const { name } of keys) {
      if (!nameSchema.safeParse(name).success) throw invalid(`expected a name of 1 to 128 characters, got "${name}"`);
    }
    for (const id of ids) {
      if (OFFLINE.has(role)) offline.add(id);
      else if (offline.has(id)) {
        throw invalid(
          `the key ${id.slice(0, 12)} of ${role}, which is online, is also one of root or targets; they must differ`,
        );
      }
    }
  }
}

const invalid = (words: string): TufError => new TufError('root-invalid', words);
