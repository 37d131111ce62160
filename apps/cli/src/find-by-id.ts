import { everyItem, type Page } from './connection.ts';

const FULL_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** How things of a kind are found, and what to say when there is none. */
export interface Findable {
  /** E.g. `rollout`. */
  readonly what: string;
  /** The command that lists them. */
  readonly listedBy: string;
  /** The command that makes the first. */
  readonly madeBy: string;
  /** Newest first. */
  readonly page: (cursor: { cursor?: string }) => Promise<Page<{ readonly id: string }>>;
}

/** The id of something that is named by its id, the beginning of it, or `last`. @throws Error naming what there is */
export const findById = async ({ what, listedBy, madeBy, page }: Findable, id: string): Promise<string> => {
  if (FULL_ID.test(id)) return id;
  const items = await everyItem(page);
  if (id === 'last') {
    if (items[0] !== undefined) return items[0].id;
    throw new Error(`There is no ${what} yet. Make one with: ${madeBy}`);
  }
  const found = items.filter((item) => item.id.startsWith(id));
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only.id;
  throw new Error(
    found.length === 0
      ? `There is no ${what} "${id}". List them with: ${listedBy}`
      : `"${id}" is the beginning of ${found.length} ${what}s; give more of it.`,
  );
};
