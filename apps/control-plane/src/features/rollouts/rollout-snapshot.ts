import {
  type ComparedMetric,
  comparisonOf,
  type DeviceMeasurements,
  type ExecutionState,
  type Gate,
  isEndedExecution,
  type RateState,
  type RolloutSnapshot,
  type RolloutSpec,
  type RolloutState,
  type Strata,
  SUCCESS_STATES,
  type WaveFacts,
  type WaveSnapshot,
  type WaveState,
} from '@aviary/rollout';
import { millisecondsOf, type Sql } from '../../infra/database.ts';
import { rankOf } from './rivals.ts';

/** A rollout as `libs/rollout` decides on it, with what is needed to carry the decisions out. */
export interface LoadedRollout {
  readonly id: string;
  readonly release: string;
  readonly target: string;
  readonly newcomers: RolloutSpec['newcomers'];
  readonly bucketOffset: number;
  readonly spec: RolloutSpec;
  readonly snapshot: RolloutSnapshot;
  /** Whether its gates need measurements that were not read: nothing is to be decided on it then. */
  readonly unmeasured: boolean;
  /** Devices that have the release by this rollout. */
  readonly succeeded: number;
  /** What may be started at once; null: never counted. */
  readonly rate: RateState | null;
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
  readonly control: Strata;
  readonly rateTokens: number | null;
  readonly rateAt: number | null;
}

interface WaveRow {
  readonly index: number;
  readonly state: WaveState;
  readonly planned: number;
  readonly strata: Strata;
  readonly startedAt: number | null;
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
    bucket_offset as "bucketOffset", control, rate_tokens as "rateTokens", ${millisecondsOf('rate_at')} as "rateAt"
  from rollout r where id = $1 for no key update`;

const WAVES = `
  select index, state, planned, strata, ${millisecondsOf('started_at')} as "startedAt",
    ${millisecondsOf('soak_until')} as "soakUntil"
  from wave w where rollout_id = $1 order by index`;

// Of the same line of releases and the same devices: with others it may be that only some are theirs.
const OVERTAKEN = `
  select 'rollout ' || r.id || ' of ' || r.release as by from rollout own join rollout r on r.model = own.model and r.target = own.target
  where own.id = $1 and r.state = 'RUNNING' and r.spec ->> 'newcomers' = 'continue' and ${rankOf('r')} > ${rankOf('own')}
    and not exists (select 1 from wave w where w.rollout_id = r.id and w.state not in ('PASSED', 'SKIPPED'))
  limit 1`;

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
    coalesce(f.requested_provider not in ('', f.effective_provider), false) as "fellBack",
    null::boolean as drifts
  from execution e join field_metrics f on f.device_id = e.device_id and f.release = $3
  where e.rollout_id = $1 and e.wave_index = $2 and e.kind = 'install'
    and e.state in ('PROBATION', 'SUCCEEDED', 'ALREADY_INSTALLED', 'FAILED', 'ROLLED_BACK')`;

const PAIRS = `
  select latency_p95 as "latencyP95", low_confidence_rate as "lowConfidenceRate" from wave_pair
  where rollout_id = $1 and wave_index = $2 and control_id is not null order by id`;

type PairRow = Readonly<Record<ComparedMetric, number | null>>;

const NOTHING_COMPARED: WaveFacts['differences'] = { latencyP95: [], lowConfidenceRate: [] };

const isCompared = (gate: Gate): boolean => comparisonOf(gate) !== undefined;

/** Gates that judge by what each device measured; the others need none of it read, however large the wave. */
const isMeasured = (gate: Gate): boolean => !isCompared(gate) && !('execution' in gate) && !('success' in gate);

const differencesOf = (rows: readonly PairRow[]): WaveFacts['differences'] => ({
  latencyP95: rows.map(({ latencyP95 }) => latencyP95).filter((value) => value !== null),
  lowConfidenceRate: rows.map(({ lowConfidenceRate }) => lowConfidenceRate).filter((value) => value !== null),
});

const isSuccess = (state: ExecutionState): boolean => (SUCCESS_STATES as readonly ExecutionState[]).includes(state);

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
  /** Whether it is time to look for newcomers. */
  readonly looksForNewcomers?: boolean;
}

/**
 * Reads one rollout and locks it for the rest of the transaction. Without measurements it costs what its waves cost,
 * however many devices they have.
 * @returns undefined when there is none, or when it was skipped
 */
export const loadSnapshot = async (
  sql: Sql,
  id: string,
  { whenLocked, measure, looksForNewcomers = false }: SnapshotOptions,
): Promise<LoadedRollout | undefined> => {
  const [row] = await sql.query<RolloutRow>(whenLocked === 'skip' ? `${ROLLOUT} skip locked` : ROLLOUT, [id]);
  if (row === undefined) return undefined;
  const { release, target, spec, bucketOffset, state, stateSince, control, rateTokens, rateAt } = row;
  const counted = await sql.query<CountRow>(COUNTS, [id]);
  const needsMeasurements = spec.gates.some(isMeasured);
  const compares = spec.gates.some(isCompared);
  const waves: WaveSnapshot[] = [];
  let unmeasured = false;
  const goesOn = spec.newcomers === 'continue';
  const rows = await sql.query<WaveRow>(WAVES, [id]);
  for (const wave of rows) {
    const { counts, diverged } = countsOf(counted.filter((count) => count.wave === wave.index));
    const isStillJudged = diverged > 0 || (goesOn && wave.index === rows.length - 1);
    const matters = wave.state === 'RUNNING' || wave.state === 'SOAKING' || (wave.state === 'PASSED' && isStillJudged);
    const isJudged = matters && needsMeasurements;
    const devices = isJudged && measure ? await sql.query<DeviceMeasurements>(MEASURED, [id, wave.index, release]) : [];
    unmeasured ||= isJudged && !measure;
    const differences =
      matters && compares ? differencesOf(await sql.query<PairRow>(PAIRS, [id, wave.index])) : NOTHING_COMPARED;
    waves.push({ ...wave, facts: matters ? { counts, diverged, devices, differences } : null });
  }
  const open = {
    install: openOf(counted.filter(({ wave }) => wave !== null)),
    rollback: openOf(counted.filter(({ wave }) => wave === null)),
  };
  const [overtaken] = goesOn ? await sql.query<{ by: string }>(OVERTAKEN, [id]) : [];
  return {
    id,
    release,
    target,
    newcomers: spec.newcomers,
    spec,
    bucketOffset,
    unmeasured,
    succeeded: counted.reduce((sum, { wave, state: of, n }) => (wave !== null && isSuccess(of) ? sum + n : sum), 0),
    rate: rateTokens === null || rateAt === null ? null : { tokens: rateTokens, at: rateAt },
    moves: counted.reduce((sum, count) => sum + count.moves, 0),
    snapshot: {
      state,
      stateSince,
      spec,
      control,
      waves,
      open,
      looksForNewcomers,
      overtakenBy: overtaken?.by ?? null,
    },
  };
};

/** Folds the rows that a rollout's counters are made of, under its lock. What they say stays the same. */
export const foldMoves = async (sql: Sql, id: string): Promise<void> => {
  await sql.query(FOLD, [id]);
};
