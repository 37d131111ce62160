import { type Part, type ParticipantState, type RoundSpec, type RoundState, refuseAnswer } from '@aviary/federation';
import type { RoundEvaluationReport } from '@aviary/protocol';
import { millisecondsOf, type Sql } from '../../infra/database.ts';
import { notFound, ProblemError } from '../../infra/problem.ts';

interface RoundOfPart {
  readonly state: RoundState;
  readonly deadlineAt: number | null;
  /** Of the database's clock, by which deadlines are. */
  readonly now: number;
  readonly base: string;
  readonly features: number;
  readonly classes: number;
  readonly spec: RoundSpec;
  /** SHA-256 of the aggregated update, once there is one. */
  readonly aggregate: string | null;
}

/** One device's part in one round, and the round as far as that part is concerned. */
export interface Participation {
  readonly part: Part;
  readonly state: ParticipantState;
  /** Of the update that was sent. */
  readonly sha256: string | null;
  readonly evaluation: RoundEvaluationReport | null;
  readonly round: RoundOfPart;
}

const OWN = 'select part, state, sha256, evaluation from round_participant where round_id = $1 and device_id = $2';

const ROUND = `
  select state, ${millisecondsOf('deadline_at')} as "deadlineAt", ${millisecondsOf('clock_timestamp()')} as now, base,
    features, classes, spec, aggregate ->> 'sha256' as aggregate
  from federated_round where id = $1`;

const problem = (code: string, words: string): ProblemError =>
  new ProblemError(code === 'round-not-selected' ? 403 : 409, code, `${words} Ask again what is to be done.`);

/**
 * Reads a device's part. With `lock` nobody else changes it until the transaction ends: the conductor ends a phase by
 * ending the parts that are still open, so that an open part that is held cannot be counted without what it sends.
 * @throws ProblemError `round-unknown`, `round-not-selected`
 */
export const readParticipation = async (
  sql: Sql,
  id: string,
  deviceId: string,
  to: Part,
  lock: 'locked' | 'unlocked' = 'unlocked',
): Promise<Participation> => {
  // First the part, then the round: what was waited for is then seen.
  const [own] = await sql.query<Omit<Participation, 'round'>>(lock === 'locked' ? `${OWN} for update` : OWN, [
    id,
    deviceId,
  ]);
  const [round] = await sql.query<RoundOfPart>(ROUND, [id]);
  if (round === undefined) throw notFound('round', id, 'Ask again what is to be done.');
  if (own !== undefined) return { ...own, round };
  const refusal = refuseAnswer({ to, round, participant: undefined }, round.now);
  throw problem('round-not-selected', refusal?.words ?? '');
};

/** Whether something is still expected of the device. */
export const isOpenPart = ({ state }: Participation): boolean => state === 'INVITED' || state === 'WORKING';

/**
 * Refuses an answer that comes too late, or to another question.
 * @throws ProblemError with the code of `AnswerRefusal`
 */
export const demandOpen = (own: Participation, to: Part): void => {
  const refusal = refuseAnswer({ to, round: own.round, participant: own }, own.round.now);
  if (refusal !== undefined) throw problem(refusal.code, refusal.words);
};
