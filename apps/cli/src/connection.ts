import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminRoutes, type Client, createClient } from '@aviary/protocol';
import { UsageError } from './command-line/usage-error.ts';

export type AdminClient = Client<typeof adminRoutes>;

export interface Connection {
  readonly baseUrl: string;
  readonly authorization: string;
  readonly client: AdminClient;
}

/** There is no way to the control plane; the message says what to do. */
export class ConnectionError extends Error {
  readonly code = 'connection';
}

const DEFAULT_SERVER = 'http://127.0.0.1:8080';

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

/** Where `aviary up` keeps its data, unless told otherwise. */
export const dataDirectory = (): string => process.env.AVIARY_DATA ?? '.aviary';

/**
 * The token from `--token-file`, AVIARY_TOKEN, or the file that `aviary up` writes.
 * @throws UsageError for a `--token-file` that cannot be read, ConnectionError when there is no token at all
 */
const readToken = async (tokenFile: string | undefined): Promise<string> => {
  if (tokenFile === undefined && process.env.AVIARY_TOKEN !== undefined) return process.env.AVIARY_TOKEN.trim();
  const path = tokenFile ?? join(dataDirectory(), 'admin.token');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    if (tokenFile !== undefined)
      throw new UsageError(`Expected a file with the admin token for --token-file, and cannot read "${path}".`);
    throw new ConnectionError(
      `Expected an admin token in ${path}, and cannot read it. Run this where "aviary up" runs, or set AVIARY_DATA, AVIARY_TOKEN or --token-file.`,
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

/** Opens the way to the control plane; nothing is sent yet. @throws UsageError, ConnectionError */
export const connect = async (options: {
  server?: string | undefined;
  tokenFile?: string | undefined;
}): Promise<Connection> => {
  const baseUrl = options.server ?? process.env.AVIARY_SERVER ?? DEFAULT_SERVER;
  if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol))
    throw new UsageError(
      `Expected an address such as ${DEFAULT_SERVER} in --server or AVIARY_SERVER, got "${baseUrl}".`,
    );
  const authorization = `Bearer ${await readToken(options.tokenFile)}`;
  const client = createClient(adminRoutes, { baseUrl, fetch: fetchOrExplain, headers: { authorization } });
  return { baseUrl: baseUrl.replace(/\/$/, ''), authorization, client };
};
