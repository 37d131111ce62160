import type { Lineage } from '@aviary/release';
import type { Sql } from '../../infra/database.ts';
import { badRequest } from '../../infra/problem.ts';

interface CommittedRound {
  readonly release: string;
  readonly state: string;
  readonly aggregate: { readonly sha256: string; readonly updates: number; readonly samples: number } | null;
}

/** Whether a release comes from where it says. */
export class LineageService {
  constructor(private readonly database: Sql) {}

  /**
   * Compares a lineage with the round that it names.
   * @throws ProblemError `lineage-unknown`, `lineage-uncommitted`, `lineage-wrong`
   */
  async check(lineage: Lineage): Promise<void> {
    const [round] = await this.database.query<CommittedRound>(
      'select release, state, aggregate from federated_round where id = $1',
      [lineage.round],
    );
    if (round === undefined) {
      throw badRequest(
        'lineage-unknown',
        `The release says that it comes from round ${lineage.round}, and there is no such round here. List them with: aviary fed status`,
      );
    }
    const { release, state, aggregate } = round;
    if (state !== 'COMMITTED' || aggregate === null) {
      throw badRequest(
        'lineage-uncommitted',
        `The release says that it comes from round ${lineage.round}, which is ${state}. Only a COMMITTED round has a candidate.`,
      );
    }
    const wrong = [
      ['parent', release, lineage.parent],
      ['updateSha256', aggregate.sha256, lineage.updateSha256],
      ['devices', aggregate.updates, lineage.devices],
      ['samples', aggregate.samples, lineage.samples],
    ].filter(([, expected, got]) => expected !== got);
    if (wrong.length === 0) return;
    const words = wrong.map(([field, expected, got]) => `${field} ${expected}, got ${got}`).join('; ');
    throw badRequest(
      'lineage-wrong',
      `The release does not come from round ${lineage.round} as it says: expected ${words}. Build it anew with: aviary fed candidate ${lineage.round}`,
      wrong.map(([field, expected]) => ({ path: `lineage.${field}`, message: `expected ${expected}` })),
    );
  }
}
