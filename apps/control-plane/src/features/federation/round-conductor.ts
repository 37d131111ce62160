import { decideRound } from '@aviary/federation';
import type { Database } from '../../infra/database.ts';
import type { Logger } from '../../infra/log.ts';
import { GATHER_MS, WakingLoop } from '../../infra/waking-loop.ts';
import type { RoundDecisionsApplier } from './round-decisions-applier.ts';
import { loadRound } from './round-snapshot.ts';

/** Devices that come online, or collect samples, wake nobody: a round that looks for devices looks from time to time. */
const SELECTING_MS = 1_000;
/** Catches what a lost notification missed. */
const IDLE_MS = 15_000;
/** Steps in one look, so that a round that always has something to do does not starve the others. */
const MOST_STEPS = 20;

const ACTIVE = 'select id from federated_round where ended_at is null order by created_at';

const NEXT = `
  select bool_or(state in ('DRAFT', 'SELECTING')) as selecting,
    (extract(epoch from min(deadline_at) - clock_timestamp()) * 1000)::float8 as "untilDeadline"
  from federated_round where ended_at is null`;

/**
 * Moves federated rounds forward. It remembers nothing: each step reads a round under its lock, asks
 * `libs/federation`, and applies the answer in the same transaction, so that any number may run and any may be killed.
 * It looks when something changed, and when the next deadline comes.
 */
export class RoundConductor {
  private readonly loop = new WakingLoop(() => this.work());

  constructor(
    private readonly database: Database,
    private readonly applier: RoundDecisionsApplier,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.database.listen('rounds', () => this.loop.wake());
    this.loop.wake(0);
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** @returns when to look again at the latest, in ms */
  private async work(): Promise<number> {
    try {
      for (const { id } of await this.database.query<{ id: string }>(ACTIVE)) await this.advance(id);
      const [next] = await this.database.query<{ selecting: boolean | null; untilDeadline: number | null }>(NEXT);
      const latest = next?.selecting === true ? SELECTING_MS : IDLE_MS;
      return Math.max(GATHER_MS, Math.min(latest, next?.untilDeadline ?? latest));
    } catch (error) {
      this.log.error({ err: error }, 'the round conductor could not work; it will try again');
      return SELECTING_MS;
    }
  }

  /** As far as a round goes now. What is wrong with one costs the others nothing. */
  private async advance(id: string): Promise<void> {
    try {
      for (let step = 0; step < MOST_STEPS && !this.loop.stopped && (await this.step(id)); step += 1);
    } catch (error) {
      this.log.error({ err: error, round: id }, 'a round could not be moved; it will be tried again');
    }
  }

  /** @returns whether there may be more to do at once */
  private step(id: string): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const round = await loadRound(sql, id, 'skip');
      if (round === undefined) return false;
      const decisions = decideRound(round.snapshot, round.now);
      await this.applier.apply(sql, round, decisions);
      return decisions.length > 0;
    });
  }
}
