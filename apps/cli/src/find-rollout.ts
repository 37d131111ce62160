import { type AdminClient, everyItem } from './connection.ts';

const FULL_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A rollout by its id, the beginning of it, or `last`. @throws Error naming what there is */
export const findRollout = async (client: Pick<AdminClient, 'listRollouts'>, id: string): Promise<string> => {
  if (FULL_ID.test(id)) return id;
  const items = await everyItem((cursor) => client.listRollouts({ query: { limit: 500, ...cursor } }));
  if (id === 'last') {
    if (items[0] !== undefined) return items[0].id;
    throw new Error('There is no rollout yet. Make one with: aviary rollout create --release model@version');
  }
  const found = items.filter((rollout) => rollout.id.startsWith(id));
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only.id;
  throw new Error(
    found.length === 0
      ? `There is no rollout "${id}". List them with: aviary rollout list`
      : `"${id}" is the beginning of ${found.length} rollouts; give more of it.`,
  );
};
