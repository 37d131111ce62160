import type { Role } from '../../api/generated/index.ts';

/** What each role may do, the least first. */
export const ROLES: readonly { readonly value: Role; readonly label: string; readonly words: string }[] = [
  { value: 'viewer', label: 'viewer', words: 'sees everything' },
  { value: 'operator', label: 'operator', words: 'lets devices join, steers rollouts and rounds' },
  { value: 'publisher', label: 'publisher', words: 'publishes releases' },
  { value: 'admin', label: 'admin', words: 'does everything, and makes accounts' },
];

/** Roles that somebody may hand on: the own one, and the one that only looks. */
export const rolesToGrant = (own: Role): readonly Role[] =>
  ROLES.map(({ value }) => value).filter((role) => own === 'admin' || role === own || role === 'viewer');
