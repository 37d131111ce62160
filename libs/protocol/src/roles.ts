/** What an account or a token may do; `admin` may do everything. */
export const ROLES = ['viewer', 'operator', 'publisher', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who may call a route: everybody, a device with its certificate, or people with one of these roles. */
export type Access = 'public' | 'device' | readonly Role[];

/** Reading. */
export const EVERY_ROLE: readonly Role[] = [...ROLES];
/** Bringing devices in, steering rollouts and rounds. */
export const OPERATORS: readonly Role[] = ['operator', 'admin'];
/** Publishing releases. */
export const PUBLISHERS: readonly Role[] = ['publisher', 'admin'];
/** Reading the models themselves, not only about them. */
export const MODEL_READERS: readonly Role[] = ['publisher', 'admin'];
/** Accounts, audit, and whose signature devices believe. */
export const ADMINS: readonly Role[] = ['admin'];

/** Whether somebody with `role` may give somebody `wanted`: nobody hands out more than they have. */
export const mayGrant = (role: Role, wanted: Role): boolean =>
  role === 'admin' || role === wanted || wanted === 'viewer';
