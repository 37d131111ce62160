import { randomInt } from 'node:crypto';
import type {
  EvaluationReport,
  HeadShape,
  Part,
  ParticipantCounts,
  ParticipantState,
  RoundSnapshot,
  RoundSpec,
  RoundState,
} from '@aviary/federation';
import { millisecondsOf, type Sql } from '../../infra/database.ts';
import { eligibleDevices, surveyPopulation } from './population.ts';

/** A round as `libs/federation` decides on it, with what is needed to carry the decisions out. */
export interface LoadedRound {
  readonly id: string;
  readonly version: number;
  readonly shape: HeadShape;
  readonly spec: RoundSpec;
  readonly snapshot: RoundSnapshot;
  /** Of the database's clock: conductors on several machines agree on deadlines, and so do devices' answers. */
  readonly now: number;
}

interface RoundRow extends HeadShape {
  readonly version: number;
  readonly backbone: string;
  readonly base: string;
  readonly spec: RoundSpec;
  readonly state: RoundState;
  readonly deadlineAt: number | null;
  readonly aggregated: boolean;
  readonly now: number;
}

// Not "for update": what devices send about a round refers to it, and does not have to wait.
const ROUND = `
  select version, backbone, base, features, classes, spec, state, ${millisecondsOf('deadline_at')} as "deadlineAt",
    aggregate is not null as aggregated, ${millisecondsOf('clock_timestamp()')} as now
  from federated_round where id = $1 for no key update`;

const COUNTS = `
  select part, state, count(*)::integer as count from round_participant where round_id = $1 group by 1, 2`;

const REPORTS = `
  select evaluation from round_participant
  where round_id = $1 and part = 'evaluate' and state = 'REPORTED' order by device_id`;

/** In an order that nobody can foretell: who is asked first is nobody's choice. */
const shuffled = (ids: readonly string[]): string[] => {
  const all = [...ids];
  for (let last = all.length - 1; last > 0; last -= 1) {
    const other = randomInt(last + 1);
    [all[last], all[other]] = [all[other] as string, all[last] as string];
  }
  return all;
};

/**
 * Reads one round and locks it for the rest of the transaction.
 * @param busy whether to wait for whoever has it, or to pass it over
 * @returns undefined when there is none, or somebody else is at it
 */
export const loadRound = async (sql: Sql, id: string, busy: 'wait' | 'skip'): Promise<LoadedRound | undefined> => {
  const [row] = await sql.query<RoundRow>(busy === 'skip' ? `${ROUND} skip locked` : ROUND, [id]);
  if (row === undefined) return undefined;
  const { version, backbone, base, features, classes, spec, state, deadlineAt, aggregated, now } = row;
  let eligible: string[] = [];
  let ineligible: string[] = [];
  if (state === 'SELECTING') {
    // Two rounds of different models may want the same device: one chooses after the other.
    await sql.query(`select pg_advisory_xact_lock(hashtext('selection of rounds'))`);
    const wanted = { backbone, base, target: spec.target, minSamples: spec.minSamples };
    eligible = shuffled(await eligibleDevices(sql, wanted));
    ineligible = (await surveyPopulation(sql, wanted)).words;
  }
  const counts: Record<Part, ParticipantCounts> = { train: {}, evaluate: {} };
  for (const { part, state: of, count } of await sql.query<{ part: Part; state: ParticipantState; count: number }>(
    COUNTS,
    [id],
  )) {
    counts[part][of] = count;
  }
  const reports = state === 'EVALUATING' ? await sql.query<{ evaluation: EvaluationReport }>(REPORTS, [id]) : [];
  const snapshot: RoundSnapshot = {
    state,
    deadlineAt,
    spec,
    eligible,
    ineligible,
    trainers: counts.train,
    evaluators: counts.evaluate,
    aggregated,
    reports: reports.map(({ evaluation }) => evaluation),
  };
  return { id, version, shape: { features, classes }, spec, snapshot, now };
};
