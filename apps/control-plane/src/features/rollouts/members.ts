import { parseSelector, type RolloutSpec } from '@aviary/rollout';
import { type SqlCondition, targetToSql } from '../devices/selector-sql.ts';

/** As much of a rollout as says whom it is about. */
export interface Targeted {
  readonly id: string;
  readonly target: string;
  readonly newcomers: RolloutSpec['newcomers'];
}

/**
 * A condition on `device d`: whom a rollout is about at this moment, or, where it leaves newcomers out, was about when it was
 * created. Revoked devices are not among them.
 * @param first number of the first parameter, where the statement has others before
 */
export const membersToSql = ({ id, target, newcomers }: Targeted, first = 1): SqlCondition =>
  newcomers === 'ignore'
    ? {
        where: `(d.id in (select t.device_id from rollout_target t where t.rollout_id = $${first}) and d.revoked_at is null)`,
        parameters: [id],
      }
    : targetToSql(parseSelector(target), first);
