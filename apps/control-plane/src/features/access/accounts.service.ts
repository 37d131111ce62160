import type { Account, Role } from '@aviary/protocol';
import { type Database, millisecondsOf, type Sql } from '../../infra/database.ts';
import { badRequest, conflict, notFound } from '../../infra/problem.ts';
import { hashPassword } from './password-hash.ts';
import type { SessionsService } from './sessions.service.ts';

const VIEW = `
  id, name, role, disabled, ${millisecondsOf('created_at')} as "createdAt",
  ${millisecondsOf('last_login_at')} as "lastLoginAt"`;

/** Under this lock it is decided who is the first account, and who the last admin. */
const ACCOUNTS_LOCK = 'accounts';

export interface NewAccount {
  readonly name: string;
  readonly role: Role;
  readonly password: string;
}

export interface AccountChange {
  readonly role?: Role | undefined;
  readonly password?: string | undefined;
  readonly disabled?: boolean | undefined;
}

/** Who may come in, as what. */
export class AccountsService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
  ) {}

  /** Whether there is no account yet. */
  async isEmpty(sql: Sql = this.database): Promise<boolean> {
    return (await sql.query('select 1 from account limit 1')).length === 0;
  }

  list(): Promise<Account[]> {
    return this.database.query<Account>(`select ${VIEW} from account order by name`);
  }

  /** @throws ProblemError `account-exists` */
  async create(account: NewAccount): Promise<Account> {
    const hash = await hashPassword(account.password);
    return this.database.transaction((sql) => this.add(sql, account, hash));
  }

  /** Adds an account whose password was hashed already, in the caller's transaction. @throws ProblemError `account-exists` */
  async add(sql: Sql, { name, role }: Omit<NewAccount, 'password'>, passwordHash: string): Promise<Account> {
    const [row] = await sql.query<Account>(
      `insert into account (name, role, password_hash) values ($1, $2, $3) on conflict (name) do nothing returning ${VIEW}`,
      [name, role, passwordHash],
    );
    if (row === undefined) {
      throw conflict(
        'account-exists',
        `There is an account "${name}" already. Choose another name, or change that one.`,
      );
    }
    return row;
  }

  /** Holds other decisions about all accounts back until the caller's transaction ends. */
  async lock(sql: Sql): Promise<void> {
    await sql.query('select pg_advisory_xact_lock(hashtext($1))', [ACCOUNTS_LOCK]);
  }

  /**
   * Changes a role, sets a password, disables or enables. Sessions of the account end.
   * @throws ProblemError `account-unknown`, `change-missing`, `last-admin`
   */
  async change(id: string, { role, password, disabled }: AccountChange): Promise<Account> {
    if (role === undefined && password === undefined && disabled === undefined) {
      throw badRequest('change-missing', 'Expected a role, a password, or "disabled" to change, got none of them.');
    }
    const hash = password === undefined ? null : await hashPassword(password);
    return this.database.transaction(async (sql) => {
      await this.lock(sql);
      // Without an admin's account the admin token rules, and whoever never was one may change.
      const [before] = await sql.query<{ isAdmin: boolean }>(
        `select role = 'admin' and not disabled as "isAdmin" from account where id = $1`,
        [id],
      );
      const [row] = await sql.query<Account>(
        `update account set role = coalesce($2, role), password_hash = coalesce($3, password_hash),
           disabled = coalesce($4, disabled) where id = $1 returning ${VIEW}`,
        [id, role ?? null, hash, disabled ?? null],
      );
      if (row === undefined) throw notFound('account', id, 'List them with: aviary user list');
      const admins = await sql.query(`select 1 from account where role = 'admin' and not disabled limit 1`);
      if (before?.isAdmin === true && admins.length === 0) {
        throw conflict('last-admin', `"${row.name}" is the last admin. Make another account an admin first.`);
      }
      await this.sessions.endAll(sql, id);
      return row;
    });
  }

  /** Sets a password that its owner has chosen, in the caller's transaction. */
  async setPassword(sql: Sql, id: string, hash: string): Promise<void> {
    await sql.query('update account set password_hash = $2 where id = $1', [id, hash]);
  }
}
