import {
  type DeviceMeasurements,
  type ExecutionState,
  type Gate,
  isEndedExecution,
  type RolloutSnapshot,
  type RolloutSpec,
  type RolloutState,
  type WaveFacts,
  type WaveSnapshot,
  type WaveState,
} from '@aviary/rollout';
import { millisecondsOf, type Sql } from '../../infra/database.ts';

/** A rollout as `libs/rollout` decides on it, with what is needed to carry the decisions out. */
export interface LoadedRollout {
  readonly id: string;
  readonly release: string;
  readonly target: string;
  readonly bucketOffset: number;
  readonly spec: RolloutSpec;
  readonly snapshot: RolloutSnapshot;
  /** Whether its gates need measurements that were not read: nothing is to be decided on it then. */
  readonly unmeasured: boolean;
  /** Rows that its counters are made of; `foldMoves` makes them few again. */
  readonly moves: number;
}

interface RolloutRow {
  readonly release: string;
  readonly target: string;
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly stateSince: number;
  readonly bucketOffset: number;
}

interface WaveRow {
  readonly index: number;
  readonly state: WaveState;
  readonly planned: number;
  readonly soakUntil: number | null;
}

interface CountRow {
  /** Null: of executions that bring devices back. */
  readonly wave: number | null;
  readonly state: ExecutionState;
  readonly n: number;
  readonly diverged: number;
  readonly moves: number;
}

// Not against those who only refer to the row: a device's execution may be written while its rollout is looked at.
const ROLLOUT = `
  select release, target, spec, state, ${millisecondsOf('state_since')} as "stateSince",
    bucket_offset as "bucketOffset"
  from rollout r where id = $1 for no key update`;

const WAVES = `
  select index, state, planned, ${millisecondsOf('soak_until')} as "soakUntil" from wave w where rollout_id = $1 order by index`;

const COUNTS = `
  select wave_index as wave, state, sum(n)::integer as n, sum(diverged)::integer as diverged, count(*)::integer as moves
  from execution_move where rollout_id = $1 group by 1, 2`;

const FOLD = `
  with gone as (delete from execution_move where rollout_id = $1 returning wave_index, state, n, diverged)
  insert into execution_move (rollout_id, wave_index, state, n, diverged)
  select $1, wave_index, state, sum(n), sum(diverged) from gone group by 2, 3 having sum(n) <> 0`;

// What the devices of a wave measured with the release, since each switched to it.
const MEASURED = `
  select f.frames::float8 as frames, f.low_confidence::float8 as "lowConfidence", f.latency_p95_ms as "latencyP95Ms",
    coalesce(f.requested_provider not in ('', f.effective_provider), false) as "fellBack"
  from execution e join field_metrics f on f.device_id = e.device_id and f.release = $3
  where e.rollout_id = $1 and e.wave_index = $2 and e.kind = 'install'
    and e.state in ('PROBATION', 'SUCCEEDED', 'ALREADY_INSTALLED', 'FAILED', 'ROLLED_BACK')`;

/** Gates that judge by measurements; the others need none read, however large the wave. */
const isMeasured = (gate: Gate): boolean =>
  'lowConfidenceRate' in gate || 'latencyP95' in gate || 'acceleratorFallback' in gate;

const countsOf = (rows: readonly CountRow[]): Pick<WaveFacts, 'counts' | 'diverged'> => ({
  counts: Object.fromEntries(rows.map(({ state, n }) => [state, n])),
  diverged: rows.reduce((sum, row) => sum + row.diverged, 0),
});

const openOf = (rows: readonly CountRow[]): number =>
  rows.reduce((sum, { state, n }) => (isEndedExecution(state) ? sum : sum + n), 0);

export interface SnapshotOptions {
  /** `skip`: whoever holds it does already what is to be done. */
  readonly whenLocked: 'wait' | 'skip';
  /** Whether to read what gates judge by, where they do: a row for each device of the waves under way. */
  readonly measure: boolean;
}

/**
 * Reads one rollout and locks it for the rest of the transaction. Without measurements it costs what its waves cost,
 * however many devices they have.
 * @returns undefined when there is none, or when it was skipped
 */
export const loadSnapshot = async (
  sql: Sql,
  id: string,
  { whenLocked, measure }: SnapshotOptions,
): Promise<LoadedRollout | undefined> => {
  const [row] = await sql.query<RolloutRow>(whenLocked === 'skip' ? `${ROLLOUT} skip locked` : ROLLOUT, [id]);
  if (row === undefined) return undefined;
  const { release, target, spec, bucketOffset, state, stateSince } = row;
  const counted = await sql.query<CountRow>(COUNTS, [id]);
  const needsMeasurements = spec.gates.some(isMeasured);
  const waves: WaveSnapshot[] = [];
  let unmeasured = false;
  for (const wave of await sql.query<WaveRow>(WAVES, [id])) {
    const { counts, diverged } = countsOf(counted.filter((count) => count.wave === wave.index));
    const matters = wave.state === 'RUNNING' || wave.state === 'SOAKING' || (wave.state === 'PASSED' && diverged > 0);
    const isJudged = matters && needsMeasurements;
    const devices = isJudged && measure ? await sql.query<DeviceMeasurements>(MEASURED, [id, wave.index, release]) : [];
    unmeasured ||= isJudged && !measure;
    waves.push({ ...wave, facts: matters ? { counts, diverged, devices } : null });
  }
  const open = {
    install: openOf(counted.filter(({ wave }) => wave !== null)),
    rollback: openOf(counted.filter(({ wave }) => wave === null)),
  };
  return {
    id,
    release,
    target,
    spec,
    bucketOffset,
    unmeasured,
    moves: counted.reduce((sum, count) => sum + count.moves, 0),
    snapshot: { state, stateSince, spec, waves, open },
  };
};

/** Folds the rows that a rollout's counters are made of, under its lock. What they say stays the same. */
export const foldMoves = async (sql: Sql, id: string): Promise<void> => {
  await sql.query(FOLD, [id]);
};
