import { z } from 'zod';
import { timestampSchema } from '../identifiers.ts';
import { ADMINS, EVERY_ROLE, ROLES } from '../roles.ts';
import { route } from '../route.ts';

/** The cookie of a browser's session, and the header that goes with its changes. */
export const SESSION_COOKIE = 'aviary_session';
export const CSRF_HEADER = 'x-aviary-csrf';

const tag = 'access';
const idParams = z.object({ id: z.uuid() });

export const roleSchema = z.enum(ROLES).meta({ id: 'Role' });

/** What a person logs in with. */
export const accountNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._@-]{1,62}$/, 'expected 2 to 63 of a-z, 0-9, ".", "_", "@" and "-"');

/** OpenAPI's format for what nobody else should see: forms hide it, the audit trail leaves it out. */
const SECRET = { format: 'password' };
const givenPasswordSchema = z.string().max(256).meta(SECRET);

export const passwordSchema = z
  .string()
  .min(12, 'expected at least 12 characters')
  .max(256, 'expected at most 256 characters')
  .meta(SECRET);

export const accountSchema = z
  .object({
    id: z.uuid(),
    name: accountNameSchema,
    role: roleSchema,
    disabled: z.boolean(),
    createdAt: timestampSchema,
    lastLoginAt: timestampSchema.nullable(),
  })
  .meta({ id: 'Account' });
export type Account = z.infer<typeof accountSchema>;

/** Who is asking, and how they proved it. */
export const sessionSchema = z
  .object({
    name: z.string().describe('of the account; of the token when there is no account behind it'),
    role: roleSchema,
    via: z.enum(['session', 'token', 'admin-token']),
    csrfToken: z
      .string()
      .nullable()
      .describe('goes with every change as the header x-aviary-csrf when the session cookie is what proves it'),
    expiresAt: timestampSchema.nullable(),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof sessionSchema>;

export const apiTokenSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    role: roleSchema,
    account: z.string().nullable().describe('whose it is; null: made with the admin token'),
    createdAt: timestampSchema,
    expiresAt: timestampSchema,
    lastUsedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'ApiToken' });
export type ApiToken = z.infer<typeof apiTokenSchema>;

const YEAR_S = 366 * 86_400;

export const accessRoutes = {
  showSetup: route({
    method: 'GET',
    path: '/api/v1/setup',
    summary: 'Whether the first account is still to be made',
    tag,
    access: 'public',
    response: z.object({ needed: z.boolean() }),
  }),
  setUp: route({
    method: 'POST',
    path: '/api/v1/setup',
    summary: 'Make the first account, an admin; logs it in',
    tag,
    access: 'public',
    body: z.object({
      code: z
        .string()
        .max(128)
        .meta({ ...SECRET, description: 'the set-up code that the control plane shows where it was started' }),
      name: accountNameSchema,
      password: passwordSchema,
    }),
    response: sessionSchema,
    status: 201,
  }),
  logIn: route({
    method: 'POST',
    path: '/api/v1/session',
    summary: 'Log in; the answer sets the session cookie',
    tag,
    access: 'public',
    body: z.object({ name: z.string().max(128), password: givenPasswordSchema }),
    response: sessionSchema,
    status: 201,
  }),
  showSession: route({
    method: 'GET',
    path: '/api/v1/session',
    summary: 'Who is asking',
    tag,
    access: EVERY_ROLE,
    response: sessionSchema,
  }),
  logOut: route({
    method: 'DELETE',
    path: '/api/v1/session',
    summary: 'End the session',
    tag,
    access: EVERY_ROLE,
  }),
  changePassword: route({
    method: 'POST',
    path: '/api/v1/session/password',
    summary: 'Change one’s own password; ends the other sessions',
    tag,
    access: EVERY_ROLE,
    body: z.object({ current: givenPasswordSchema, next: passwordSchema }),
  }),
  listAccounts: route({
    method: 'GET',
    path: '/api/v1/accounts',
    summary: 'All accounts',
    tag,
    access: ADMINS,
    response: z.object({ items: z.array(accountSchema) }),
  }),
  createAccount: route({
    method: 'POST',
    path: '/api/v1/accounts',
    summary: 'Make an account',
    tag,
    access: ADMINS,
    body: z.object({ name: accountNameSchema, role: roleSchema, password: passwordSchema }),
    response: accountSchema,
    status: 201,
  }),
  changeAccount: route({
    method: 'PATCH',
    path: '/api/v1/accounts/:id',
    summary: 'Change a role, set a password, or disable an account; its sessions end',
    tag,
    access: ADMINS,
    params: idParams,
    body: z.object({
      role: roleSchema.optional(),
      password: passwordSchema.optional(),
      disabled: z.boolean().optional(),
    }),
    response: accountSchema,
  }),
  listTokens: route({
    method: 'GET',
    path: '/api/v1/tokens',
    summary: 'One’s own API tokens; all of them for an admin',
    tag,
    access: EVERY_ROLE,
    response: z.object({ items: z.array(apiTokenSchema) }),
  }),
  createToken: route({
    method: 'POST',
    path: '/api/v1/tokens',
    summary: 'Make an API token with one’s own role or a lesser one',
    tag,
    access: EVERY_ROLE,
    body: z.object({
      name: z.string().min(1).max(128),
      role: roleSchema,
      ttlSeconds: z
        .int()
        .min(60)
        .max(YEAR_S)
        .default(90 * 86_400),
    }),
    response: apiTokenSchema.extend({ token: z.string().describe('shown once; only its hash is kept') }),
    status: 201,
  }),
  revokeToken: route({
    method: 'DELETE',
    path: '/api/v1/tokens/:id',
    summary: 'Revoke an API token: one’s own, or any for an admin',
    tag,
    access: EVERY_ROLE,
    params: idParams,
  }),
};
