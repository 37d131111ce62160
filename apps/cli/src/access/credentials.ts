import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../command-line/usage-error.ts';
import { ConnectionError } from '../connection-error.ts';
import { type Context, contextNamed, readContexts } from './contexts.ts';

export const DEFAULT_SERVER = 'http://127.0.0.1:8080';

/** Where to, and with what. */
export interface Credentials {
  /** Without a slash at its end. */
  readonly server: string;
  readonly token: string;
  /** Where the token came from, in words. */
  readonly from: string;
}

/** What may name a control plane on the command line. */
interface Asked {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly context?: string | undefined;
}

/** Where `aviary up` keeps its data, unless told otherwise. */
export const dataDirectory = (): string => process.env.AVIARY_DATA ?? '.aviary';

export const adminTokenPath = (): string => join(dataDirectory(), 'admin.token');

/** @throws UsageError when it is no address of a web server */
export const serverAddress = (text: string): string => {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, '');
  throw new UsageError(`Expected an address such as ${DEFAULT_SERVER} in --server or AVIARY_SERVER, got "${text}".`);
};

const readToken = async (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

const ofContext = (name: string, { server, token }: Context): Credentials => ({
  server: serverAddress(server),
  token,
  from: `the context "${name}"`,
});

/** The log-in at an address; the current one when there are several. A token is for its own control plane alone. */
const contextAt = async (server: string): Promise<Credentials | undefined> => {
  const { current, byName } = await readContexts();
  const there = [...byName].filter(([, context]) => serverAddress(context.server) === server);
  const [name, context] = there.find(([candidate]) => candidate === current) ?? there[0] ?? [];
  return name === undefined || context === undefined ? undefined : ofContext(name, context);
};

const currentContext = async (): Promise<Credentials | undefined> => {
  const contexts = await readContexts();
  return contexts.current === null ? undefined : ofContext(contexts.current, contextNamed(contexts, contexts.current));
};

const nothingFound = (): ConnectionError =>
  new ConnectionError(
    `Expected somebody who is logged in, or an admin token in ${adminTokenPath()}, and found neither. Log in with: aviary login — or run this where "aviary up" runs, or set AVIARY_DATA, AVIARY_TOKEN or --token-file.`,
  );

/**
 * Finds the control plane and a token for it: what flags name goes before AVIARY_SERVER and AVIARY_TOKEN, these before
 * the admin token of a data directory that is here, and that before the current context.
 * @throws UsageError for flags that cannot be followed, ConnectionError when there is no token at all
 */
export const findCredentials = async ({ server, tokenFile, context }: Asked): Promise<Credentials> => {
  if (context !== undefined) {
    if (server !== undefined || tokenFile !== undefined) {
      throw new UsageError('Expected either --context or --server and --token-file; a context has both already.');
    }
    return ofContext(context, contextNamed(await readContexts(), context));
  }
  const named = server ?? process.env.AVIARY_SERVER;
  const address = serverAddress(named ?? DEFAULT_SERVER);
  if (tokenFile !== undefined) {
    const token = await readToken(tokenFile);
    if (token !== undefined) return { server: address, token, from: `--token-file ${tokenFile}` };
    throw new UsageError(`Expected a file with a token for --token-file, and cannot read "${tokenFile}".`);
  }
  if (process.env.AVIARY_TOKEN !== undefined) {
    return { server: address, token: process.env.AVIARY_TOKEN.trim(), from: 'AVIARY_TOKEN' };
  }
  const loggedIn = server === undefined ? undefined : await contextAt(address);
  if (loggedIn !== undefined) return loggedIn;
  const adminToken = await readToken(adminTokenPath());
  if (adminToken !== undefined) return { server: address, token: adminToken, from: adminTokenPath() };
  const kept = named === undefined ? await currentContext() : await contextAt(address);
  if (kept !== undefined) return kept;
  throw nothingFound();
};
