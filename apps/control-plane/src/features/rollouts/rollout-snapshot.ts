import type {
  DeviceMeasurements,
  RolloutSnapshot,
  RolloutSpec,
  RolloutState,
  WaveFacts,
  WaveSnapshot,
  WaveState,
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
}

interface RolloutRow {
  readonly release: string;
  readonly target: string;
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly stateSince: number;
  readonly bucketOffset: number;
  readonly openInstall: number;
  readonly openRollback: number;
}

interface WaveRow {
  readonly index: number;
  readonly state: WaveState;
  readonly planned: number;
  readonly soakUntil: number | null;
  readonly counts: WaveFacts['counts'];
  readonly diverged: number;
}

const ROLLOUT = `
  select release, target, spec, state, ${millisecondsOf('state_since')} as "stateSince",
    bucket_offset as "bucketOffset",
    (select count(*)::integer from execution e where e.rollout_id = r.id and e.kind = 'install' and e.ended_at is null) as "openInstall",
    (select count(*)::integer from execution e where e.rollout_id = r.id and e.kind = 'rollback' and e.ended_at is null) as "openRollback"
  from rollout r where id = $1 for update`;

const WAVES = `
  select index, state, planned, ${millisecondsOf('soak_until')} as "soakUntil", counts,
    (select count(*)::integer from execution e where e.rollout_id = w.rollout_id and e.wave_index = w.index and e.diverged) as diverged
  from wave w where rollout_id = $1 order by index`;

// What the devices of a wave measured with the release, since each switched to it.
const MEASURED = `
  select f.frames::float8 as frames, f.low_confidence::float8 as "lowConfidence", f.latency_p95_ms as "latencyP95Ms",
    coalesce(f.requested_provider not in ('', f.effective_provider), false) as "fellBack"
  from execution e join field_metrics f on f.device_id = e.device_id and f.release = $3
  where e.rollout_id = $1 and e.wave_index = $2 and e.kind = 'install'
    and e.state in ('PROBATION', 'SUCCEEDED', 'ALREADY_INSTALLED', 'FAILED', 'ROLLED_BACK')`;

/** Reads one rollout and locks it for the rest of the transaction; undefined when there is none. */
export const loadSnapshot = async (sql: Sql, id: string): Promise<LoadedRollout | undefined> => {
  const [row] = await sql.query<RolloutRow>(ROLLOUT, [id]);
  if (row === undefined) return undefined;
  const waves: WaveSnapshot[] = [];
  for (const { counts, diverged, ...wave } of await sql.query<WaveRow>(WAVES, [id])) {
    const matters = wave.state === 'RUNNING' || wave.state === 'SOAKING' || (wave.state === 'PASSED' && diverged > 0);
    const devices = matters ? await sql.query<DeviceMeasurements>(MEASURED, [id, wave.index, row.release]) : [];
    waves.push({ ...wave, facts: matters ? { counts, diverged, devices } : null });
  }
  const { release, target, spec, bucketOffset, state, stateSince, openInstall, openRollback } = row;
  const open = { install: openInstall, rollback: openRollback };
  return { id, release, target, spec, bucketOffset, snapshot: { state, stateSince, spec, waves, open } };
};
