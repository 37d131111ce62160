import { DIRECTOR_TARGET, keyId, type NamedKey, type RootContent } from '@aviary/release';
import { UsageError } from '../command-line/usage-error.ts';
import type { FleetRepository } from './fleet-repository.ts';

/** Roles whose keys can be replaced, by the names that people use for them. */
export const KEY_ROLES = ['targets', 'root', 'snapshot', 'timestamp', 'director'] as const;
type Roles = RootContent['roles'];

/** The key of a role that is named by its id, or the beginning of it. @throws UsageError */
export const findKey = (keys: readonly NamedKey[], id: string): NamedKey => {
  const found = keys.filter(({ publicKey }) => keyId(publicKey).startsWith(id.toLowerCase()));
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  const all = keys.map(({ name, publicKey }) => `${name} ${keyId(publicKey).slice(0, 16)}`).join(', ');
  throw new UsageError(
    one === undefined
      ? `No key begins with "${id}"; there are ${all}. See: aviary key list`
      : `Several keys begin with "${id}": give more of it. There are ${all}.`,
  );
};

/** Roles with one key of one of them replaced, or taken out. @throws UsageError when too few are left */
export const withKey = (roles: Roles, role: keyof Roles, old: NamedKey, next: NamedKey | undefined): Roles => {
  const keys = roles[role].keys.flatMap((key) => (key === old ? (next === undefined ? [] : [next]) : [key]));
  const { threshold } = roles[role];
  if (keys.length < threshold) {
    throw new UsageError(
      `${threshold} keys of ${role} have to sign, and ${keys.length} would be left. Add another first: aviary key add`,
    );
  }
  return { ...roles, [role]: { threshold, keys } };
};

/** Everybody who may sign assignments. */
export const directorsOf = async (repository: FleetRepository): Promise<readonly NamedKey[]> =>
  (await repository.fleetTarget(DIRECTOR_TARGET)).keys;
