import { decide } from '@aviary/rollout';
import type { Database } from '../../infra/database.ts';
import type { DecisionsApplier } from './decisions-applier.ts';
import type { Notifier } from './notifier.ts';
import { foldMoves, loadSnapshot } from './rollout-snapshot.ts';

/** Rows of counters that are read as fast as few. */
const MOST_MOVES = 500;

/** Measurements of a large wave take long to read, and more than this is long … */
const LONG_MS = 100;
/** … so that they are read again after so many times as long. */
const REST = 10;

/** Looking for newcomers reads all devices that a rollout is about. */
const LOOK_MS = 10_000;

/** Takes a rollout one step forward at a time: read under its lock, ask `libs/rollout`, apply, commit. */
export class RolloutSteps {
  /** When measurements may be read again, in ms of the process, by rollout; only where that takes long. */
  private readonly measuredNext = new Map<string, number>();
  /** When newcomers are to be looked for again, likewise. */
  private readonly lookNext = new Map<string, number>();

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
      const from = performance.now();
      const measure = from >= (this.measuredNext.get(id) ?? 0);
      const looksForNewcomers = from >= (this.lookNext.get(id) ?? 0);
      const rollout = await loadSnapshot(sql, id, { whenLocked: 'skip', measure, looksForNewcomers });
      if (rollout === undefined) return false;
      if (measure) this.rest(id, performance.now() - from);
      if (rollout.moves > MOST_MOVES) await foldMoves(sql, id);
      const goingOn = await this.applier.goOn(sql, rollout);
      if (goingOn !== 'nothing') return goingOn === 'some';
      if (rollout.unmeasured) return (await this.notifier.notify(sql, rollout)) > 0;
      const decisions = decide(rollout.snapshot, Date.now());
      await this.applier.apply(sql, rollout, decisions);
      if (decisions.some(({ kind }) => kind === 'join-wave')) {
        const now = performance.now();
        this.lookNext.set(id, now + Math.max(LOOK_MS, REST * (now - from)));
      }
      const moved = decisions.some((decision) => decision.kind !== 'record-gates');
      if (moved) return true;
      return (await this.notifier.notify(sql, rollout)) > 0;
    });
  }

  /** @param took ms that reading a rollout with its measurements took */
  private rest(id: string, took: number): void {
    if (took > LONG_MS) this.measuredNext.set(id, performance.now() + REST * took);
    else this.measuredNext.delete(id);
  }
}
