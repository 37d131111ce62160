import type { Sql } from '../../infra/database.ts';

/** SQL for rollouts `r` that have not ended, as the index of them has it. */
export const UNDER_WAY = `r.state not in ('FINISHED', 'STOPPED', 'ROLLED_BACK', 'APPROVAL_DENIED')`;

/** SQL for the place of a rollout among others: the higher priority wins, of equal ones the newer. */
export const rankOf = (rollout: string): string => `(${rollout}.priority, ${rollout}.created_at, ${rollout}.id)`;

/** Other rollouts that have not ended, seen from one. */
export interface Rivals {
  /** Those that it takes devices from. */
  readonly outranked: readonly string[];
  /** Those to which it leaves the devices that they have brought to their release. */
  readonly outranking: readonly string[];
}

// One that is being stopped or taken back keeps no device that it is done with.
const RIVALS = `
  select r.id, ${rankOf('r')} > ${rankOf('own')} as outranks
  from rollout own join rollout r on r.id <> own.id
  where own.id = $1 and ${UNDER_WAY} and (r.state in ('RUNNING', 'PAUSED') or ${rankOf('r')} < ${rankOf('own')})`;

export const rivalsOf = async (sql: Sql, rolloutId: string): Promise<Rivals> => {
  const rows = await sql.query<{ id: string; outranks: boolean }>(RIVALS, [rolloutId]);
  return {
    outranked: rows.filter(({ outranks }) => !outranks).map(({ id }) => id),
    outranking: rows.filter(({ outranks }) => outranks).map(({ id }) => id),
  };
};

const TAKING = `select pg_try_advisory_xact_lock(hashtext('rollouts take devices')) as got`;

/**
 * Asks to give executions to devices, for the rest of the transaction. A device has one that is open, whichever rollout is
 * first: two that take the same devices in different orders would wait for each other. Nobody waits here; who is refused
 * comes back.
 */
export const mayTakeDevices = async (sql: Sql): Promise<boolean> => {
  const [lock] = await sql.query<{ got: boolean }>(TAKING);
  return lock?.got === true;
};
