import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { WakingLoop } from '../../infra/waking-loop.ts';
import type { DevicesService } from '../devices/devices.service.ts';
import { ensurePartitions } from '../telemetry/partitions.ts';
import type { ExecutionsService } from './executions.service.ts';
import type { RolloutSteps } from './rollout-steps.ts';
import type { WavePairs } from './wave-pairs.ts';

/** Time alone moves soaks and deadlines; everything else wakes the conductor by a notification. */
const TICK_MS = 1_000;
const HOUSEKEEPING_MS = 15_000;
const SILENT_AFTER_S = 90;
/** Steps in one look, so that a rollout that always has something to do does not starve the others. */
const MOST_STEPS = 20;
/** Far longer than a wave takes to begin: who was revoked before, no wave under way can have taken by mistake. */
const REVOKED_LATELY_S = 3_600;

const ACTIVE = `
  select id from rollout where state in ('READY', 'RUNNING', 'PAUSED', 'STOPPING', 'ROLLING_BACK')
  order by created_at`;

/**
 * Moves rollouts forward. It remembers nothing that it could not ask again, so that any number may run and any may be
 * killed: two of them never wait for each other, and decide nothing twice.
 */
export class Conductor {
  private readonly loop = new WakingLoop(() => this.work());
  private housekeeping: NodeJS.Timeout | undefined;
  /** All that were ever revoked are looked at once, after which only the latest are. */
  private knowsRevoked = false;

  constructor(
    private readonly database: Database,
    private readonly steps: RolloutSteps,
    private readonly executions: ExecutionsService,
    private readonly devices: DevicesService,
    private readonly pairs: WavePairs,
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
      await this.endOverdue();
      for (const { id } of await this.database.query<{ id: string }>(ACTIVE)) {
        for (let step = 0; step < MOST_STEPS && !this.loop.stopped && (await this.steps.step(id)); step += 1);
      }
    } catch (error) {
      this.log.error({ err: error }, 'the conductor could not work; it will try again');
    }
    return TICK_MS;
  }

  /** Silent devices, a few in each transaction, and revoked ones. */
  private async endOverdue(): Promise<void> {
    while (!this.loop.stopped && (await this.database.transaction((sql) => this.executions.expire(sql)))) {}
    const since = this.knowsRevoked ? REVOKED_LATELY_S : undefined;
    await this.database.transaction((sql) => this.executions.removeRevoked(sql, { since }));
    this.knowsRevoked = true;
  }

  private async keepHouse(): Promise<void> {
    try {
      await this.devices.markSilentOffline(SILENT_AFTER_S);
      await this.pairs.form();
      await ensurePartitions(this.database);
    } catch (error) {
      this.log.warn({ error: String(error) }, 'housekeeping did not succeed; it will be tried again');
    }
  }
}
