import type { AdminClient } from './connection.ts';
import { findById } from './find-by-id.ts';

/** A rollout by its id, the beginning of it, or `last`. @throws Error naming what there is */
export const findRollout = (client: Pick<AdminClient, 'listRollouts'>, id: string): Promise<string> =>
  findById(
    {
      what: 'rollout',
      listedBy: 'aviary rollout list',
      madeBy: 'aviary rollout create --release model@version',
      page: (cursor) => client.listRollouts({ query: { limit: 500, ...cursor } }),
    },
    id,
  );
