import { adminRoutes, type Client, createClient, problemSchema } from '@aviary/protocol';
import { findCredentials } from './access/credentials.ts';
import { ConnectionError } from './connection-error.ts';

export type AdminClient = Client<typeof adminRoutes>;

export interface Connection {
  readonly baseUrl: string;
  readonly authorization: string;
  /** Where the token came from, in words. */
  readonly from: string;
  readonly client: AdminClient;
}

/** The token is not taken; the message says which one, and what to do. */
class NotAuthorizedError extends Error {
  readonly code = 'not-authorized';
}

/** The web's `fetch`, whose failure to reach anybody is told in a sentence. */
export const fetchOrExplain = async (url: string, init: RequestInit): Promise<Response> => {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new ConnectionError(
      `The control plane at ${new URL(url).origin} does not answer (${cause}). Start it with: aviary up — or name another with --server or AVIARY_SERVER.`,
    );
  }
};

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** Every item of a list that comes in pages. */
export const everyItem = async <Item>(page: (cursor: { cursor?: string }) => Promise<Page<Item>>): Promise<Item[]> => {
  const items: Item[] = [];
  for (let cursor: { cursor?: string } | undefined = {}; cursor !== undefined; ) {
    const { items: more, nextCursor }: Page<Item> = await page(cursor);
    items.push(...more);
    cursor = nextCursor === null ? undefined : { cursor: nextCursor };
  }
  return items;
};

/** What the global flags say of the way to the control plane. */
export interface ConnectionOptions {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly context?: string | undefined;
}

/** Opens the way to the control plane; nothing is sent yet. @throws UsageError, ConnectionError */
export const connect = async (options: ConnectionOptions): Promise<Connection> => {
  const { server, token, from } = await findCredentials(options);
  const authorization = `Bearer ${token}`;
  const client = createClient(adminRoutes, {
    baseUrl: server,
    fetch: async (url, init) => {
      const response = await fetchOrExplain(url, init);
      if (response.status !== 401) return response;
      // Of several tokens somebody may have, which one was it that is not taken?
      const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
      const detail = problem.data?.detail ?? `The control plane at ${server} does not take the token.`;
      throw new NotAuthorizedError(`${detail} The token came from ${from}.`);
    },
    headers: { authorization },
  });
  return { baseUrl: server, authorization, from, client };
};
