import type { Overview } from '@aviary/protocol';
import type { Sql } from '../../infra/database.ts';
import type { RolloutsService } from '../rollouts/rollouts.service.ts';
import { readAttention } from './attention.ts';

const MOST_ROLLOUTS = 10;

const COUNTS = `
  with fleet as (
    select count(*) as total, count(*) filter (where presence = 'online') as online,
      count(*) filter (where profile is null) as unmatched,
      count(*) filter (where presence = 'online' and running_release is null) as idle
    from device where revoked_at is null
  )
  select json_build_object('total', total, 'online', online, 'offline', total - online, 'unmatched', unmatched,
      'idle', idle) as devices,
    (select count(distinct model)::integer from release) as models,
    (select count(*)::integer from release) as releases,
    (select count(*)::integer from federated_round where ended_at is null) as rounds
  from fleet`;

/** The fleet at a glance. Its cost grows with the devices, never with how long they have been there. */
export class OverviewService {
  constructor(
    private readonly database: Sql,
    private readonly rollouts: RolloutsService,
  ) {}

  async show(): Promise<Overview> {
    const [[counts], rollouts, attention] = await Promise.all([
      this.database.query<Pick<Overview, 'devices' | 'models' | 'releases' | 'rounds'>>(COUNTS),
      this.rollouts.underWay(MOST_ROLLOUTS),
      readAttention(this.database),
    ]);
    if (counts === undefined) throw new Error('a query without a condition answers one row');
    return { ...counts, rollouts, attention };
  }
}
