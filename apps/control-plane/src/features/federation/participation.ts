import type { ParticipantState, RoundState } from '@aviary/federation';
import type { RoundEvaluationReport, RoundTask } from '@aviary/protocol';
import type { Sql } from '../../infra/database.ts';
import { conflict, notFound, ProblemError } from '../../infra/problem.ts';

/** One device's part in one round, and the round as far as that part is concerned. */
export interface Participation {
  readonly part: RoundTask['part'];
  readonly state: ParticipantState;
  readonly reason: string | null;
  /** Of the update that was sent. */
  readonly sha256: string | null;
  readonly evaluation: RoundEvaluationReport | null;
  readonly round: {
    readonly state: RoundState;
    readonly reason: string | null;
    /** Whether the deadline of its phase has passed, by the database's clock. */
    readonly late: boolean;
    readonly base: string;
    readonly features: number;
    readonly classes: number;
    readonly aggregate: { readonly sha256: string } | null;
  };
}

const OWN =
  'select part, state, reason, sha256, evaluation from round_participant where round_id = $1 and device_id = $2';

const ROUND = `
  select state, reason, coalesce(deadline_at <= clock_timestamp(), false) as late, base, features, classes, aggregate
  from federated_round where id = $1`;

/**
 * Reads a device's part. With `lock` nobody else changes it until the transaction ends; the conductor ends a phase by
 * ending the parts that are still open, so that whoever holds an open part knows that the phase goes on.
 * @throws ProblemError `round-unknown`, `round-not-selected`
 */
export const readParticipation = async (
  sql: Sql,
  round: string,
  deviceId: string,
  lock = false,
): Promise<Participation> => {
  // First the part, then the round: what was waited for is then seen.
  const [own] = await sql.query<Omit<Participation, 'round'>>(lock ? `${OWN} for update` : OWN, [round, deviceId]);
  const [found] = await sql.query<Participation['round']>(ROUND, [round]);
  if (found === undefined) throw notFound('round', round, 'Ask again what is to be done: GET /device/v1/round');
  if (own === undefined) {
    throw new ProblemError(
      403,
      'round-not-selected',
      `Expected a device that was selected for round ${round}, this one was not. Ask what is to be done: GET /device/v1/round`,
    );
  }
  return { ...own, round: found };
};

/** Whether something is still expected of the device. */
export const isOpenPart = ({ state }: Participation): boolean => state === 'INVITED' || state === 'WORKING';

/**
 * Refuses an answer that comes too late, or to another question.
 * @throws ProblemError `round-not-selected`, `round-not-collecting`, `round-not-evaluating`, `round-part-ended`,
 *   `round-deadline-passed`
 */
export const demandOpen = (own: Participation, part: Participation['part']): void => {
  const { round } = own;
  const [phase, what] =
    part === 'train' ? (['COLLECTING', 'updates'] as const) : (['EVALUATING', 'evaluations'] as const);
  if (own.part !== part) {
    throw new ProblemError(
      403,
      'round-not-selected',
      `This device was selected to ${own.part}, not to ${part}; nothing of it was used.`,
    );
  }
  if (round.state !== phase) {
    const because = round.reason === null ? '' : ` (${round.reason})`;
    throw conflict(
      part === 'train' ? 'round-not-collecting' : 'round-not-evaluating',
      `A round takes ${what} while it is ${phase}; this one is ${round.state}${because}. Drop what was made for it.`,
    );
  }
  if (!isOpenPart(own)) {
    const because = own.reason === null ? '' : ` (${own.reason})`;
    throw conflict('round-part-ended', `This device’s part in the round has ended as ${own.state}${because}.`);
  }
  if (round.late) {
    throw conflict(
      'round-deadline-passed',
      `The deadline for ${what} of this round has passed. Drop what was made for it.`,
    );
  }
};
