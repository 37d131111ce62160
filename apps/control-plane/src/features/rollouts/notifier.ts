import type { DeviceFacts } from '@aviary/hardware';
import { type Probation, type ShadowTerms, type SwitchTerms, splitReleaseName } from '@aviary/release';
import {
  type RateState,
  type RolloutSpec,
  refill,
  type UpdateWindow,
  type WindowState,
  windowAt,
} from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import type { Assigning, DirectorService } from '../director/director.service.ts';
import type { ReleasesService, StoredRelease } from '../registry/releases.service.ts';
import type { VariantChooser } from '../registry/variant-chooser.ts';
import type { LoadedRollout } from './rollout-snapshot.ts';

/** Executions taken per step; more follow in the next. */
const BATCH = 500;

/** What a device was serving before was good enough then: going back is not put on probation. */
const NO_PROBATION: Probation = {
  seconds: 0,
  minFrames: 0,
  maxErrorRate: 1,
  maxLowConfidenceRate: 1,
  maxP95Ratio: 1e9,
};

const TAKE = `
  select e.id, e.device_id as "deviceId", e.kind, e.from_release as "from", d.facts, d.profile,
    d.running_digest as "runningDigest", d.running_release as "running", r.release_counter::float8 as "runningCounter",
    r.model as "runningModel"
  from execution e join device d on d.id = e.device_id left join release r on r.name = d.running_release
  where e.rollout_id = $1 and e.state = 'QUEUED' and e.kind = $2 and e.not_before <= now()
  order by e.not_before, e.id limit $3 for update of e skip locked`;

const SET = `
  update execution e set state = t.state, variant = t.variant, reason_code = t.code, reason = t.reason, updated_at = now(),
    ended_at = case when t.state in ('REJECTED', 'ALREADY_INSTALLED') then now() end,
    deadline_at = now() + make_interval(secs => $6)
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) as t (id, state, variant, code, reason)
  where e.id = t.id`;

// Its deadline begins now where it waits for itself, and not for its window.
const HOLD = `
  update execution e set not_before = to_timestamp(t.until / 1000), updated_at = now(), reason = t.reason,
    deadline_at = coalesce(e.deadline_at, now() + make_interval(secs => t.deadline))
  from unnest($1::uuid[], $2::float8[], $3::text[], $4::float8[]) as t (id, until, reason, deadline) where e.id = t.id`;

type ShadowSpec = NonNullable<RolloutSpec['strategy']['shadow']>;

interface QueuedExecution {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: 'install' | 'rollback';
  readonly from: string | null;
  readonly facts: DeviceFacts;
  readonly profile: string | null;
  readonly runningDigest: string | null;
  readonly running: string | null;
  readonly runningModel: string | null;
  readonly runningCounter: number | null;
}

/** Why a device is not told yet, and until when. */
interface Wait {
  readonly until: number;
  readonly reason: string;
  /** Seconds after which it has waited too long; null: it waits for us. */
  readonly deadline: number | null;
}

interface Outcome {
  readonly id: string;
  readonly state: 'NOTIFIED' | 'REJECTED' | 'ALREADY_INSTALLED';
  readonly variant: string | null;
  readonly code: string | null;
  readonly reason: string | null;
}

/** How many devices may be told now, and the state of the rate before they are. */
interface Allowance {
  readonly devices: number;
  readonly rate: RateState | null;
}

const NONE: Allowance = { devices: 0, rate: null };
/** A window that never opens again, in a year that a database can store. */
const NEVER_MS = Date.UTC(9999, 0, 1);

/** The windows of one look, by time zone. */
class Windows {
  private readonly states = new Map<string | null, WindowState>();

  constructor(
    private readonly window: UpdateWindow,
    private readonly now: number,
  ) {}

  /** undefined: it is open where the device is. */
  waitOf({ facts }: QueuedExecution): Wait | undefined {
    const zone = facts.timeZone ?? null;
    const state = this.states.get(zone) ?? windowAt(this.window, this.now, zone);
    this.states.set(zone, state);
    return state.open
      ? undefined
      : { until: state.opensAt ?? NEVER_MS, reason: 'waits for its window', deadline: null };
  }
}

/** How often it is looked whether a device runs by now what is required. */
const LOOK_AGAIN_MS = 30_000;

const waitForRequired = (
  required: StoredRelease | undefined,
  { running, runningModel, runningCounter }: QueuedExecution,
  deadline: number,
  now: number,
): Wait | undefined => {
  if (required === undefined) return undefined;
  const { release, releaseCounter } = required.statement;
  const isSame = runningModel === splitReleaseName(release).model;
  if (isSame && runningCounter !== null && runningCounter >= releaseCounter) return undefined;
  return { until: now + LOOK_AGAIN_MS, reason: `waits for ${release}; it runs ${running ?? 'nothing'}`, deadline };
};

const allowanceOf = ({ spec, rate, succeeded }: LoadedRollout, now: number): Allowance => {
  if (spec.strategy.rate === undefined) return { devices: BATCH, rate: null };
  const refilled = refill(spec.strategy.rate, rate, succeeded, now);
  return { devices: Math.floor(refilled.tokens), rate: refilled };
};

const shadowTermsOf = ({ seconds, every, frames, minAgreement }: ShadowSpec): ShadowTerms => ({
  seconds,
  every,
  ...(frames === undefined ? {} : { frames }),
  ...(minAgreement === undefined ? {} : { minAgreement }),
});

/** What devices keep to by themselves. What is only fetched switches nothing, at whatever time. */
const termsOf = ({ mode, window, forceAfter, shadow }: RolloutSpec['strategy'], now: number): SwitchTerms | null => {
  if (mode === 'download-only') return { mode };
  if (mode === 'forced' && window === undefined && shadow === undefined) return null;
  return {
    mode,
    ...(window === undefined ? {} : { window }),
    ...(forceAfter === undefined ? {} : { forceAt: Math.round(now + forceAfter * 1000) }),
    ...(shadow === undefined ? {} : { shadow: shadowTermsOf(shadow) }),
  };
};

/** Takes queued executions, chooses each device's variant, and assigns it. */
export class Notifier {
  constructor(
    private readonly director: DirectorService,
    private readonly releases: ReleasesService,
    private readonly chooser: VariantChooser,
  ) {}

  /**
   * Moves a rollout's queued executions on, in the caller's transaction: those that bring devices back at once, the others
   * as its rate and its window allow.
   * @returns how many were looked at
   */
  async notify(sql: Sql, rollout: LoadedRollout): Promise<number> {
    const back = await sql.query<QueuedExecution>(TAKE, [rollout.id, 'rollback', BATCH]);
    const now = Date.now();
    const allowance = rollout.snapshot.state === 'RUNNING' ? allowanceOf(rollout, now) : NONE;
    const most = Math.min(BATCH - back.length, allowance.devices);
    const due = most > 0 ? await sql.query<QueuedExecution>(TAKE, [rollout.id, 'install', most]) : [];
    const { open, held } = await this.holdBack(sql, rollout, due, now);
    await this.tell(sql, rollout, [...back, ...open]);
    if (allowance.rate !== null && open.length > 0) {
      const { tokens, at } = allowance.rate;
      await sql.query('update rollout set rate_tokens = $2, rate_at = to_timestamp($3::float8 / 1000) where id = $1', [
        rollout.id,
        tokens - open.length,
        at,
      ]);
    }
    return back.length + open.length + held;
  }

  /** Lets those wait that must not be told yet. */
  private async holdBack(
    sql: Sql,
    rollout: LoadedRollout,
    due: readonly QueuedExecution[],
    now: number,
  ): Promise<{ open: readonly QueuedExecution[]; held: number }> {
    const { spec } = rollout;
    if (spec.strategy.window === undefined && spec.requires === undefined) return { open: due, held: 0 };
    const windows = spec.strategy.window === undefined ? undefined : new Windows(spec.strategy.window, now);
    const required = spec.requires === undefined ? undefined : await this.releases.get(spec.requires);
    const waits = due.map((execution) => ({
      execution,
      wait: windows?.waitOf(execution) ?? waitForRequired(required, execution, spec.strategy.deadline, now),
    }));
    const held = waits.flatMap(({ execution, wait }) => (wait === undefined ? [] : [{ id: execution.id, ...wait }]));
    if (held.length > 0) {
      await sql.query(HOLD, [
        held.map(({ id }) => id),
        held.map(({ until }) => until),
        held.map(({ reason }) => reason),
        held.map(({ deadline }) => deadline),
      ]);
    }
    const open = waits.filter(({ wait }) => wait === undefined).map(({ execution }) => execution);
    return { open, held: held.length };
  }

  /** Chooses each device's variant, and assigns it. */
  private async tell(sql: Sql, rollout: LoadedRollout, queued: readonly QueuedExecution[]): Promise<void> {
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
    if (outcomes.length === 0) return;
    await sql.query(SET, [
      outcomes.map(({ id }) => id),
      outcomes.map((outcome) => outcome.state),
      outcomes.map(({ variant }) => variant),
      outcomes.map(({ code }) => code),
      outcomes.map(({ reason }) => reason),
      rollout.spec.strategy.deadline,
    ]);
    const { strategy } = rollout.spec;
    await this.director.assign(sql, installs, strategy.probation, termsOf(strategy, Date.now()));
    await this.director.assign(sql, rollbacks, NO_PROBATION, null);
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
