import type { OnlineRole } from '@aviary/protocol';
import {
  createSnapshot,
  createTimestamp,
  expiryOf,
  type RoleMetadata,
  signaturesOn,
  signMetadata,
  type TufRole,
} from '@aviary/release';
import type { Database, Sql } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { conflict } from '../../infra/problem.ts';
import type { CurrentMetadata, MetadataStore, Published } from './metadata-store.ts';
import type { OnlineKeys } from './online-keys.ts';

const HOUR_MS = 3_600_000;
/** How long a mirror could hide that there is something newer. */
const TIMESTAMP_LIFE_MS = 24 * HOUR_MS;
const SNAPSHOT_LIFE_MS = 7 * 24 * HOUR_MS;
const LOOK_MS = 10 * 60_000;

/** Any number that is ours: whoever changes what is published holds it. */
const TRUST_LOCK = 8_104_117;

/** One change of what is published after the other, in whatever process. */
export const lockTrust = (sql: Sql) => sql.query('select pg_advisory_xact_lock($1)', [TRUST_LOCK]);

/** Signs snapshot and timestamp: that what the publisher signed is what there is now. */
export class OnlineSigning {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly store: MetadataStore,
    private readonly keys: OnlineKeys,
  ) {}

  /**
   * Publishes a snapshot and a timestamp over targets, in the caller's transaction.
   * @throws ProblemError `online-key-unlisted` when the root counts none of the keys that are held here
   */
  async publish(
    sql: Sql,
    root: RoleMetadata<'root'>,
    targets: Pick<Published<'targets'>, 'version' | 'text'>,
    before: Pick<CurrentMetadata, 'snapshot' | 'timestamp'> | undefined,
    now = Date.now(),
  ): Promise<void> {
    const common = { version: (before?.snapshot.version ?? 0) + 1, expires: now + SNAPSHOT_LIFE_MS };
    const snapshot = createSnapshot(common, targets);
    await this.sign(root, 'snapshot', snapshot);
    const published = await this.store.publish(sql, 'snapshot', snapshot);
    await this.publishTimestamp(sql, root, published, before?.timestamp, now);
  }

  /** Renews what has lived half its life. @param now milliseconds since 1970 @returns the roles that were renewed */
  async renewDue(now = Date.now()): Promise<TufRole[]> {
    return this.database.transaction(async (sql) => {
      await lockTrust(sql);
      const current = await this.store.current(sql);
      if (current === undefined) return [];
      const { root, targets, snapshot, timestamp } = current;
      if (isDue(snapshot, SNAPSHOT_LIFE_MS, now)) {
        await this.publish(sql, root.metadata, targets, current, now);
        return ['snapshot', 'timestamp'];
      }
      if (!isDue(timestamp, TIMESTAMP_LIFE_MS, now)) return [];
      await this.publishTimestamp(sql, root.metadata, snapshot, timestamp, now);
      return ['timestamp'];
    });
  }

  /** Renews from time to time, until it is stopped. */
  start(log: Logger): void {
    const look = () =>
      this.renewDue().then(
        (roles) => {
          if (roles.length > 0) log.info({ roles }, 'metadata was renewed');
        },
        (error: unknown) => log.error({ err: error }, 'metadata was not renewed; devices refuse it once it expires'),
      );
    void look();
    this.timer = setInterval(look, LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async publishTimestamp(
    sql: Sql,
    root: RoleMetadata<'root'>,
    snapshot: Pick<Published<'snapshot'>, 'version' | 'text'>,
    before: Published<'timestamp'> | undefined,
    now: number,
  ): Promise<void> {
    const common = { version: (before?.version ?? 0) + 1, expires: now + TIMESTAMP_LIFE_MS };
    const timestamp = createTimestamp(common, snapshot);
    await this.sign(root, 'timestamp', timestamp);
    await this.store.publish(sql, 'timestamp', timestamp);
  }

  private async sign(
    root: RoleMetadata<'root'>,
    role: Exclude<OnlineRole, 'director'>,
    metadata: RoleMetadata<TufRole>,
  ): Promise<void> {
    signMetadata(metadata, await this.keys.signersFor(role, root.signed.roles[role]?.keyIDs ?? []));
    const { keyIds, threshold } = signaturesOn(root, role, metadata);
    if (keyIds.length >= threshold) return;
    throw conflict(
      'online-key-unlisted',
      `Expected ${threshold} of the keys that root version ${root.signed.version} names for ${role} to be held here, found ${keyIds.length}. Take the keys that this control plane names: aviary key list`,
    );
  }
}

const isDue = (
  { metadata }: Pick<Published<'snapshot' | 'timestamp'>, 'metadata'>,
  life: number,
  now: number,
): boolean => expiryOf(metadata) - now < life / 2;
