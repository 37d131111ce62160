import type { DeviceFacts } from '@aviary/hardware';
import type { Probation } from '@aviary/release';
import type { Sql } from '../../infra/database.ts';
import type { Assigning, DirectorService } from '../director/director.service.ts';
import type { ReleasesService, StoredRelease } from '../registry/releases.service.ts';
import type { VariantChooser } from '../registry/variant-chooser.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

/** Devices taken per step; more follow in the next. */
const BATCH = 500;

/** What a device was serving before was good enough then: going back is not put on probation. */
const NO_PROBATION: Probation = {
  seconds: 0,
  minFrames: 0,
  maxErrorRate: 1,
  maxLowConfidenceRate: 1,
  maxP95Ratio: 1e9,
};

// Who is to go back comes first.
const TAKE = `
  select e.id, e.device_id as "deviceId", e.kind, e.from_release as "from", d.facts, d.profile,
    d.running_digest as "runningDigest"
  from execution e join device d on d.id = e.device_id
  where e.rollout_id = $1 and e.state = 'QUEUED' and e.kind = any ($2)
  order by e.kind desc, e.id limit ${BATCH} for update of e skip locked`;

const SET = `
  update execution e set state = t.state, variant = t.variant, reason_code = t.code, reason = t.reason, updated_at = now(),
    ended_at = case when t.state in ('REJECTED', 'ALREADY_INSTALLED') then now() end
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) as t (id, state, variant, code, reason)
  where e.id = t.id`;

interface QueuedExecution {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: 'install' | 'rollback';
  readonly from: string | null;
  readonly facts: DeviceFacts;
  readonly profile: string | null;
  readonly runningDigest: string | null;
}

interface Outcome {
  readonly id: string;
  readonly state: 'NOTIFIED' | 'REJECTED' | 'ALREADY_INSTALLED';
  readonly variant: string | null;
  readonly code: string | null;
  readonly reason: string | null;
}

/** Takes queued executions, chooses each device's variant, and assigns it. */
export class Notifier {
  constructor(
    private readonly director: DirectorService,
    private readonly releases: ReleasesService,
    private readonly chooser: VariantChooser,
  ) {}

  /** Moves a rollout's queued executions on, in the caller's transaction. @returns how many */
  async notify(sql: Sql, rollout: LoadedRollout): Promise<number> {
    const { state } = rollout.snapshot;
    const kinds = state === 'RUNNING' ? ['install', 'rollback'] : ['rollback'];
    const queued = await sql.query<QueuedExecution>(TAKE, [rollout.id, kinds]);
    const releases = new Map<string, StoredRelease>();
    const outcomes: Outcome[] = [];
    const installs: Assigning[] = [];
    const rollbacks: Assigning[] = [];
    for (const execution of queued) {
      const name = execution.kind === 'install' ? rollout.release : execution.from;
      if (name === null) throw new Error(`execution ${execution.id} has nothing to go back to`);
      const release = releases.get(name) ?? (await this.releases.get(name));
      releases.set(name, release);
      const outcome = this.decideOne(execution, release);
      outcomes.push(outcome);
      if (outcome.variant === null) continue;
      (execution.kind === 'install' ? installs : rollbacks).push({
        deviceId: execution.deviceId,
        release: name,
        variant: outcome.variant,
        rolloutId: rollout.id,
        executionId: execution.id,
      });
    }
    if (outcomes.length === 0) return 0;
    await sql.query(SET, [
      outcomes.map(({ id }) => id),
      outcomes.map((outcome) => outcome.state),
      outcomes.map(({ variant }) => variant),
      outcomes.map(({ code }) => code),
      outcomes.map(({ reason }) => reason),
    ]);
    await this.director.assign(sql, installs, rollout.spec.strategy.probation);
    await this.director.assign(sql, rollbacks, NO_PROBATION);
    return outcomes.length;
  }

  private decideOne(execution: QueuedExecution, release: StoredRelease): Outcome {
    const { id, runningDigest } = execution;
    if (release.revoked) {
      const reason = `${release.statement.release} was revoked by its publisher`;
      return { id, state: 'REJECTED', variant: null, code: 'release-revoked', reason };
    }
    const { target, words, refusal } = this.chooser.choose(execution, release);
    if (target === null) return { id, state: 'REJECTED', variant: null, code: refusal, reason: words.join(' · ') };
    const runs = runningDigest !== null && runningDigest === target.plaintextSha256;
    return { id, state: runs ? 'ALREADY_INSTALLED' : 'NOTIFIED', variant: target.variant, code: null, reason: null };
  }
}
