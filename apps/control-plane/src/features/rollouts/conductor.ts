import { decide } from '@aviary/rollout';
import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { WakingLoop } from '../../infra/waking-loop.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import { ensurePartitions } from '../telemetry/partitions.ts';
import type { DecisionsApplier } from './decisions-applier.ts';
import type { ExecutionsService } from './executions.service.ts';
import type { Notifier } from './notifier.ts';
import { loadSnapshot } from './rollout-snapshot.ts';

/** Time alone moves soaks and deadlines; everything else wakes the conductor by a notification. */
const TICK_MS = 1_000;
const HOUSEKEEPING_MS = 15_000;
const SILENT_AFTER_S = 90;
/** Steps in one look, so that a rollout that always has something to do does not starve the others. */
const MOST_STEPS = 20;

const ACTIVE = `
  select id from rollout where state in ('READY', 'RUNNING', 'PAUSED', 'STOPPING', 'ROLLING_BACK')
  order by created_at`;

/**
 * Moves rollouts forward. It remembers nothing: each step reads a rollout under its lock, asks `libs/rollout`, and
 * applies the answer in the same transaction, so that any number may run and any may be killed.
 */
export class Conductor {
  private readonly loop = new WakingLoop(() => this.work());
  private housekeeping: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly applier: DecisionsApplier,
    private readonly notifier: Notifier,
    private readonly executions: ExecutionsService,
    private readonly devices: DevicesService,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.database.listen('rollouts', () => this.loop.wake());
    this.housekeeping = setInterval(() => void this.keepHouse(), HOUSEKEEPING_MS);
    this.loop.wake(0);
  }

  async stop(): Promise<void> {
    clearInterval(this.housekeeping);
    await this.loop.stop();
  }

  /** @returns when to look again at the latest, in ms */
  private async work(): Promise<number> {
    try {
      await this.database.transaction(async (sql) => {
        await this.executions.expire(sql);
        await this.executions.removeRevoked(sql);
      });
      for (const { id } of await this.database.query<{ id: string }>(ACTIVE)) {
        for (let step = 0; step < MOST_STEPS && !this.loop.stopped && (await this.step(id)); step += 1);
      }
    } catch (error) {
      this.log.error({ err: error }, 'the conductor could not work; it will try again');
    }
    return TICK_MS;
  }

  /** @returns whether there may be more to do at once */
  private step(id: string): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const rollout = await loadSnapshot(sql, id);
      if (rollout === undefined) return false;
      const decisions = decide(rollout.snapshot, Date.now());
      await this.applier.apply(sql, rollout, decisions);
      const moved = decisions.some((decision) => decision.kind !== 'record-gates');
      if (moved) return true;
      return (await this.notifier.notify(sql, rollout)) > 0;
    });
  }

  private async keepHouse(): Promise<void> {
    try {
      await this.devices.markSilentOffline(SILENT_AFTER_S);
      await ensurePartitions(this.database);
    } catch (error) {
      this.log.warn({ error: String(error) }, 'housekeeping did not succeed; it will be tried again');
    }
  }
}
