import type { AdminClient } from './connection.ts';
import { findById } from './find-by-id.ts';

/** A federated round by its id, the beginning of it, or `last`. @throws Error naming what there is */
export const findRound = (client: Pick<AdminClient, 'listRounds'>, id: string): Promise<string> =>
  findById(
    {
      what: 'round',
      listedBy: 'aviary fed list',
      madeBy: 'aviary fed create --release model@version',
      page: (cursor) => client.listRounds({ query: { limit: 500, ...cursor } }),
    },
    id,
  );
