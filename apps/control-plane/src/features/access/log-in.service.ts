import type { Role } from '@aviary/protocol';
import type { Database } from '../../infra/database.ts';
import { conflict, ProblemError } from '../../infra/problem.ts';
import type { AuditTrail } from '../audit/audit-trail.ts';
import type { AccountsService } from './accounts.service.ts';
import type { Caller } from './caller.ts';
import type { LogInLimit } from './log-in-limit.ts';
import { hashPassword, isOutdated, isPassword } from './password-hash.ts';
import type { SessionsService } from './sessions.service.ts';
import { isSetUpCode } from './set-up-code.ts';

/** A session that has just begun: the cookie's secret, and who it stands for. */
export interface OpenedSession {
  readonly secret: string;
  readonly caller: Caller;
}

interface Credentials {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly disabled: boolean;
  readonly hash: string;
}

/** How people come in and go: set-up, log-in, log-out, and their own password. */
export class LogInService {
  /** Hashed against for names that there are not, so that an answer takes as long. */
  private nobody: Promise<string> | undefined;

  constructor(
    private readonly database: Database,
    private readonly accounts: AccountsService,
    private readonly sessions: SessionsService,
    private readonly limit: LogInLimit,
    private readonly audit: AuditTrail,
    private readonly adminToken: string,
  ) {}

  /**
   * Makes the first account, an admin, and logs it in.
   * @throws ProblemError `set-up-done`, `set-up-code-wrong`
   */
  async setUp(given: { code: string; name: string; password: string }): Promise<OpenedSession> {
    if (!(await this.accounts.isEmpty())) throw setUpDone();
    if (!isSetUpCode(given.code, this.adminToken)) {
      throw new ProblemError(
        403,
        'set-up-code-wrong',
        'Expected the set-up code that the control plane showed when it was started, four groups of four letters and digits; got another one. Starting it again shows it again.',
      );
    }
    const hash = await hashPassword(given.password);
    this.audit.actAs(given.name, 'set-up');
    const { opened } = await this.database.transaction(async (sql) => {
      await this.accounts.lock(sql);
      if (!(await this.accounts.isEmpty(sql))) throw setUpDone();
      const account = await this.accounts.add(sql, { name: given.name, role: 'admin' }, hash);
      return { id: account.id, opened: await this.begin(sql, account) };
    });
    return opened;
  }

  /**
   * @param address of the client, as far as it is known
   * @throws ProblemError `log-in-failed`, the same words after the same time for a wrong name and a wrong password;
   * `account-disabled`, to who knows the password; TryLaterError `too-many-failures`
   */
  async logIn(given: { name: string; password: string }, address: string): Promise<OpenedSession> {
    const name = given.name.trim().toLowerCase();
    await this.limit.take(name, address);
    const account = await this.find(name);
    this.nobody ??= hashPassword('');
    const right = await isPassword(given.password, account?.hash ?? (await this.nobody));
    if (account === undefined || !right) {
      throw new ProblemError(
        401,
        'log-in-failed',
        'There is no account with this name and this password. Check both; an admin can set a new password.',
      );
    }
    await this.limit.succeeded(name, address);
    if (account.disabled) {
      throw new ProblemError(403, 'account-disabled', `The account "${account.name}" is disabled. Ask an admin.`);
    }
    const better = isOutdated(account.hash) ? await hashPassword(given.password) : undefined;
    this.audit.actAs(account.name, 'session');
    const { opened } = await this.database.transaction(async (sql) => {
      if (better !== undefined) await this.accounts.setPassword(sql, account.id, better);
      return { id: account.id, opened: await this.begin(sql, account) };
    });
    return opened;
  }

  /** @throws ProblemError `session-missing` when something else than a session is the proof */
  async logOut(caller: Caller): Promise<void> {
    const { sessionHash, accountId } = caller;
    if (sessionHash === null) {
      throw conflict('session-missing', 'Expected a session to end; this request is proved by a token. Revoke that.');
    }
    await this.database.transaction(async (sql) => {
      await this.sessions.end(sql, sessionHash);
      return { id: accountId };
    });
  }

  /**
   * Changes one's own password. The other sessions end; tokens stay.
   * @throws ProblemError `account-missing`, `password-wrong`; TryLaterError `too-many-failures`
   */
  async changePassword(caller: Caller, given: { current: string; next: string }): Promise<void> {
    const account = caller.accountId === null ? undefined : await this.find(caller.name);
    if (account === undefined) {
      throw conflict('account-missing', 'Expected an account whose password to change; this token has none behind it.');
    }
    await this.limit.take(account.name);
    if (!(await isPassword(given.current, account.hash))) {
      throw new ProblemError(403, 'password-wrong', 'Expected your present password, got another one.');
    }
    await this.limit.succeeded(account.name);
    const hash = await hashPassword(given.next);
    await this.database.transaction(async (sql) => {
      await this.accounts.setPassword(sql, account.id, hash);
      await this.sessions.endAll(sql, account.id, caller.sessionHash);
      return { id: account.id };
    });
  }

  private begin(sql: Parameters<SessionsService['open']>[0], account: { id: string; name: string; role: Role }) {
    return sql
      .query('update account set last_login_at = now() where id = $1', [account.id])
      .then(() => this.sessions.open(sql, account));
  }

  private async find(name: string): Promise<Credentials | undefined> {
    const [row] = await this.database.query<Credentials>(
      'select id, name, role, disabled, password_hash as hash from account where name = $1',
      [name],
    );
    return row;
  }
}

const setUpDone = () =>
  conflict('set-up-done', 'There is an account already. Log in with it, or ask an admin for one.');
