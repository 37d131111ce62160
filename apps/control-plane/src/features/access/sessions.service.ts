import { createHash, randomBytes } from 'node:crypto';
import type { Role } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import type { Caller } from './caller.ts';

/** A session ends when nobody used it for this long, … */
const IDLE_S = 12 * 3600;
/** … and after this long in any case. */
export const LONGEST_S = 7 * 86_400;
/** Reading pages does not write a row each time. */
const SEEN_EVERY_S = 60;

const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

const ALIVE = `s.expires_at > now() and s.last_seen_at > now() - make_interval(secs => ${IDLE_S})`;
const END = millisecondsOf(`least(s.expires_at, s.last_seen_at + make_interval(secs => ${IDLE_S}))`);

interface SessionRow {
  readonly accountId: string;
  readonly name: string;
  readonly role: Role;
  readonly csrfToken: string;
  readonly expiresAt: number;
  readonly stale: boolean;
}

/** Who is logged in: opaque secrets in browsers, of which only the hash is here. */
export class SessionsService {
  constructor(private readonly database: Database) {}

  /** Begins a session, in the caller's transaction. @returns what goes into the cookie, and who it stands for */
  async open(sql: Sql, account: { id: string; name: string; role: Role }): Promise<{ secret: string; caller: Caller }> {
    await sql.query(`delete from session s where not (${ALIVE})`);
    const [secret, csrfToken] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
    const sessionHash = hashSecret(secret);
    const [row] = await sql.query<{ expiresAt: number }>(
      `insert into session as s (secret_hash, account_id, csrf_token, expires_at)
       values ($1, $2, $3, now() + make_interval(secs => $4)) returning ${END} as "expiresAt"`,
      [sessionHash, account.id, csrfToken, LONGEST_S],
    );
    if (row === undefined) throw new Error('an insert answers its row');
    const { id: accountId, name, role } = account;
    return {
      secret,
      caller: { name, role, via: 'session', accountId, sessionHash, csrfToken, expiresAt: row.expiresAt },
    };
  }

  /** Whose session this is; undefined when it is unknown or has ended. Using it makes it last longer, looking does not. */
  async find(secret: string, how: 'use' | 'look' = 'use'): Promise<Caller | undefined> {
    const sessionHash = hashSecret(secret);
    const [row] = await this.database.query<SessionRow>(
      `select a.id as "accountId", a.name, a.role, s.csrf_token as "csrfToken", ${END} as "expiresAt",
         s.last_seen_at < now() - make_interval(secs => $2) as stale
       from session s join account a on a.id = s.account_id
       where s.secret_hash = $1 and ${ALIVE} and not a.disabled`,
      [sessionHash, SEEN_EVERY_S],
    );
    if (row === undefined) return undefined;
    const { stale, ...rest } = row;
    if (stale && how === 'use')
      await this.database.query('update session set last_seen_at = now() where secret_hash = $1', [sessionHash]);
    return { ...rest, via: 'session', sessionHash };
  }

  /** Ends one session, in the caller's transaction. */
  async end(sql: Sql, sessionHash: Buffer): Promise<void> {
    await sql.query('delete from session where secret_hash = $1', [sessionHash]);
  }

  /** Ends all sessions of an account but one, in the caller's transaction. */
  async endAll(sql: Sql, accountId: string, except: Buffer | null = null): Promise<void> {
    await sql.query('delete from session where account_id = $1 and secret_hash is distinct from $2', [
      accountId,
      except,
    ]);
  }
}
