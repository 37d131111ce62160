import type { Database } from '../../infra/database.ts';
import { TryLaterError } from '../../infra/problem.ts';

/** So many wrong passwords cost nothing but the time to hash them. An address may stand for a whole office. */
const FREE = { account: 5, address: 20 } as const;
const LONGEST_WAIT_S = 900;
const FORGOTTEN_AFTER_S = 3600;

/** Each try counts as a failure until it succeeds, so that a thousand at once do not slip through together. */
const TAKE = `
  insert into log_in_attempt as seen (subject) values ($1)
  on conflict (subject) do update set
    failures = seen.failures + 1,
    last_at = clock_timestamp(),
    free_at = case when seen.failures < $2 then '-infinity'::timestamptz
      else clock_timestamp() + make_interval(secs => least(power(2, least(seen.failures - $2, 30)), ${LONGEST_WAIT_S})) end
  where seen.free_at <= clock_timestamp()
  returning 1`;

type Kind = keyof typeof FREE;

/**
 * Slows guessing down: after 5 failures for an account, or 20 from an address, 1 s, 2 s, 4 s … up to 15 minutes between
 * two tries. Kept in the database, so that several `api` processes count together; forgotten an hour after the last one.
 */
export class LogInLimit {
  constructor(private readonly database: Database) {}

  /**
   * Counts a try that is about to be made. Not in a transaction: a failure has to stay counted.
   * @throws TryLaterError `too-many-failures`
   */
  async take(name: string, address?: string): Promise<void> {
    await this.database.query('delete from log_in_attempt where last_at < now() - make_interval(secs => $1)', [
      FORGOTTEN_AFTER_S,
    ]);
    await this.takeOne('account', name);
    if (address === undefined) return;
    try {
      await this.takeOne('address', address);
    } catch (error) {
      await this.giveBack('account', name);
      throw error;
    }
  }

  /** The try was no guess: the account's failures are forgotten, the address has one less. */
  async succeeded(name: string, address?: string): Promise<void> {
    await this.database.query('delete from log_in_attempt where subject = $1', [`account ${name}`]);
    if (address !== undefined) await this.giveBack('address', address);
  }

  private async takeOne(kind: Kind, subject: string): Promise<void> {
    const parameters = [`${kind} ${subject}`, FREE[kind]];
    const taken = await this.database.query(TAKE, parameters);
    if (taken.length > 0) return;
    const [row] = await this.database.query<{ seconds: number }>(
      `select greatest(1, ceil(extract(epoch from free_at - clock_timestamp())))::float8 as seconds
       from log_in_attempt where subject = $1`,
      [parameters[0]],
    );
    const seconds = row?.seconds ?? 1;
    throw new TryLaterError(
      'too-many-failures',
      `Too many failed log-ins for this ${kind}. Try again in ${seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} minutes`}.`,
      seconds,
    );
  }

  private async giveBack(kind: Kind, subject: string): Promise<void> {
    await this.database.query(
      `update log_in_attempt set failures = greatest(failures - 1, 0),
         free_at = case when failures <= $2 + 1 then '-infinity' else free_at end where subject = $1`,
      [`${kind} ${subject}`, FREE[kind]],
    );
  }
}
