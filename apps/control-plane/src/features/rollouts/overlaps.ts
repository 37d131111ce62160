import type { RolloutPreview } from '@aviary/protocol';
import { parseSelector, type RolloutSpec } from '@aviary/rollout';
import type { Sql } from '../../infra/database.ts';
import { conflict } from '../../infra/problem.ts';
import { targetToSql } from '../devices/selector-sql.ts';
import { membersToSql, type Targeted } from './members.ts';
import { UNDER_WAY } from './rivals.ts';

interface Other extends Targeted {
  readonly release: string;
  readonly state: RolloutPreview['overlaps'][number]['state'];
  readonly priority: number;
}

const OTHERS = `
  select r.id, r.release, r.target, r.state, r.priority, r.spec ->> 'newcomers' as newcomers
  from rollout r where ${UNDER_WAY} order by r.created_at`;

type Asked = Pick<RolloutSpec, 'release' | 'target' | 'priority'>;

/** Rollouts under way that want some of the same devices as one that is to be created, and who gets them. */
export const overlapsOf = async (sql: Sql, asked: Asked): Promise<RolloutPreview['overlaps']> => {
  const overlaps: RolloutPreview['overlaps'] = [];
  const own = targetToSql(parseSelector(asked.target));
  for (const other of await sql.query<Other>(OTHERS)) {
    const theirs = membersToSql(other, own.parameters.length + 1);
    const [shared] = await sql.query<{ devices: number }>(
      `select count(*)::integer as devices from device d where ${own.where} and ${theirs.where}`,
      [...own.parameters, ...theirs.parameters],
    );
    if (shared === undefined || shared.devices === 0) continue;
    const { id, release, target, state, priority } = other;
    // Of equal ones the newer, which is the one that is to be created.
    const outranked = asked.priority >= priority;
    overlaps.push({ rolloutId: id, release, target, state, priority, devices: shared.devices, outranked });
  }
  return overlaps;
};

/** @throws ProblemError `rollout-overlaps` for the same release to the same target, as a double click asks for */
export const refuseTwice = (asked: Asked, overlaps: RolloutPreview['overlaps']): void => {
  const same = overlaps.find(({ release, target }) => release === asked.release && target === asked.target);
  if (same === undefined) return;
  throw conflict(
    'rollout-overlaps',
    `Rollout ${same.rolloutId} of ${same.release} to "${same.target}" is under way already. Wait for it, or end it with: aviary rollout abort ${same.rolloutId}`,
  );
};

const TELL = 'insert into rollout_history (rollout_id, message) select * from unnest($1::uuid[], $2::text[])';

/** Writes into the history of a new rollout, and of those that it shares devices with, who gets them. */
export const tellOverlaps = async (
  sql: Sql,
  own: { readonly id: string; readonly release: string },
  overlaps: RolloutPreview['overlaps'],
): Promise<void> => {
  const lines = overlaps.flatMap((other) => {
    const [ours, theirs] = [`rollout ${own.id} of ${own.release}`, `rollout ${other.rolloutId} of ${other.release}`];
    const shared = (rollout: string): string => `shares ${other.devices} devices with ${rollout}`;
    return [
      [own.id, `${shared(theirs)}, which ${other.outranked ? 'this one outranks' : 'outranks this one'}`],
      [other.rolloutId, `${shared(ours)}, which ${other.outranked ? 'outranks this one' : 'this one outranks'}`],
    ] as const;
  });
  if (lines.length === 0) return;
  await sql.query(TELL, [lines.map(([id]) => id), lines.map(([, message]) => message)]);
};
