import { createHash, randomBytes } from 'node:crypto';
import { type ApiToken, mayGrant, type Role } from '@aviary/protocol';
import { type Database, millisecondsOf } from '../../infra/database.ts';
import { notFound, ProblemError } from '../../infra/problem.ts';
import type { Caller } from './caller.ts';

/** Makes a token known as one of ours, wherever somebody has left it. */
export const TOKEN_PREFIX = 'avt_';
const USED_EVERY_S = 60;

const hashToken = (token: string): Buffer => createHash('sha256').update(token).digest();

const VIEW = `
  t.id, t.name, t.role, a.name as account, ${millisecondsOf('t.created_at')} as "createdAt",
  ${millisecondsOf('t.expires_at')} as "expiresAt", ${millisecondsOf('t.last_used_at')} as "lastUsedAt"`;

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly accountId: string | null;
  readonly account: string | null;
  readonly accountRole: Role | null;
  readonly expiresAt: number;
  readonly stale: boolean;
}

/** What both of them may do: a token never does more than its account may today. */
const commonRole = (token: Role, account: Role): Role => {
  if (mayGrant(account, token)) return token;
  return mayGrant(token, account) ? account : 'viewer';
};

/** Tokens for programs: made by people, limited in role and time, kept as a hash. */
export class TokensService {
  constructor(private readonly database: Database) {}

  /**
   * Makes a token for whoever asks, or one of nobody's when they have no account.
   * @throws ProblemError `role-exceeded`, `token-outlives-token`
   */
  async create(caller: Caller, wanted: { name: string; role: Role; ttlSeconds: number }) {
    if (!mayGrant(caller.role, wanted.role)) {
      throw new ProblemError(
        403,
        'role-exceeded',
        `Expected your own role, ${caller.role}, or a lesser one for the token, got ${wanted.role}.`,
      );
    }
    if (
      caller.via === 'token' &&
      caller.expiresAt !== null &&
      Date.now() + wanted.ttlSeconds * 1000 > caller.expiresAt
    ) {
      throw new ProblemError(
        403,
        'token-outlives-token',
        `Expected a token that ends no later than the one that asks, in ${Math.floor((caller.expiresAt - Date.now()) / 1000)} s, got ${wanted.ttlSeconds} s. Log in to make one that lasts longer.`,
      );
    }
    const token = `${TOKEN_PREFIX}${randomBytes(32).toString('base64url')}`;
    const made = await this.database.transaction(async (sql) => {
      const [row] = await sql.query<ApiToken>(
        `with t as (
           insert into api_token (secret_hash, account_id, name, role, expires_at)
           values ($1, $2, $3, $4, now() + make_interval(secs => $5)) returning *
         ) select ${VIEW} from t left join account a on a.id = t.account_id`,
        [hashToken(token), caller.accountId, wanted.name, wanted.role, wanted.ttlSeconds],
      );
      if (row === undefined) throw new Error('an insert answers its row');
      return row;
    });
    return { ...made, token };
  }

  /** One's own, newest first; all of them for an admin. */
  list(caller: Caller): Promise<ApiToken[]> {
    return this.database.query<ApiToken>(
      `select ${VIEW} from api_token t left join account a on a.id = t.account_id
       where $1 or t.account_id = $2 order by t.created_at desc, t.id`,
      [caller.role === 'admin', caller.accountId],
    );
  }

  /** @throws ProblemError `token-unknown`, also for somebody else's */
  async revoke(caller: Caller, id: string): Promise<void> {
    await this.database.transaction(async (sql) => {
      const revoked = await sql.query('delete from api_token where id = $1 and ($2 or account_id = $3) returning id', [
        id,
        caller.role === 'admin',
        caller.accountId,
      ]);
      if (revoked.length === 0) throw notFound('token', id, 'List yours with: aviary token list');
    });
  }

  /** Whose token this is; undefined when it is unknown, revoked or expired, or its account is disabled. */
  async find(token: string, how: 'use' | 'look' = 'use'): Promise<Caller | undefined> {
    const [row] = await this.database.query<TokenRow>(
      `select t.id, t.name, t.role, a.id as "accountId", a.name as account, a.role as "accountRole",
         ${millisecondsOf('t.expires_at')} as "expiresAt",
         coalesce(t.last_used_at < now() - make_interval(secs => $2), true) as stale
       from api_token t left join account a on a.id = t.account_id
       where t.secret_hash = $1 and t.expires_at > now() and coalesce(not a.disabled, true)`,
      [hashToken(token), USED_EVERY_S],
    );
    if (row === undefined) return undefined;
    if (row.stale && how === 'use')
      await this.database.query('update api_token set last_used_at = now() where id = $1', [row.id]);
    return {
      name: row.account ?? row.name,
      role: row.accountRole === null ? row.role : commonRole(row.role, row.accountRole),
      via: 'token',
      accountId: row.accountId,
      sessionHash: null,
      csrfToken: null,
      expiresAt: row.expiresAt,
    };
  }
}
