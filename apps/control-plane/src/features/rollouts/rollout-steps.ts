import { decide } from '@aviary/rollout';
import type { Database } from '../../infra/database.ts';
import type { DecisionsApplier } from './decisions-applier.ts';
import type { Notifier } from './notifier.ts';
import { foldMoves, loadSnapshot } from './rollout-snapshot.ts';

/** Rows of counters that are read as fast as few. */
const MOST_MOVES = 500;

/** Takes a rollout one step forward at a time: read under its lock, ask `libs/rollout`, apply, commit. */
export class RolloutSteps {
  constructor(
    private readonly database: Database,
    private readonly applier: DecisionsApplier,
    private readonly notifier: Notifier,
  ) {}

  /**
   * One step, in a transaction of its own, that holds no more devices than a portion or a batch. A rollout that somebody
   * else has locked is passed over: it is being looked at.
   * @returns whether there may be more to do at once
   */
  step(id: string): Promise<boolean> {
    return this.database.transaction(async (sql) => {
      const rollout = await loadSnapshot(sql, id, 'skip');
      if (rollout === undefined) return false;
      if (rollout.moves > MOST_MOVES) await foldMoves(sql, id);
      if (await this.applier.goOn(sql, rollout)) return true;
      const decisions = decide(rollout.snapshot, Date.now());
      await this.applier.apply(sql, rollout, decisions);
      const moved = decisions.some((decision) => decision.kind !== 'record-gates');
      if (moved) return true;
      return (await this.notifier.notify(sql, rollout)) > 0;
    });
  }
}
