import { hostname } from 'node:os';
import { type ApiToken, adminRoutes, CSRF_HEADER, createClient, SESSION_COOKIE } from '@aviary/protocol';
import { fetchOrExplain } from '../connection.ts';

/** A token that was just made: the only time that it is seen. */
export type FreshToken = ApiToken & { readonly token: string };

const clientWith = (baseUrl: string, headers: Record<string, string>) =>
  createClient(adminRoutes, { baseUrl, fetch: fetchOrExplain, headers });

/** Logs in, and gives what a browser would keep. */
const openSession = async (baseUrl: string, name: string, password: string) => {
  let cookie = '';
  const client = createClient(adminRoutes, {
    baseUrl,
    fetch: async (url, init) => {
      const response = await fetchOrExplain(url, init);
      const lines = response.headers.getSetCookie();
      cookie = lines.find((line) => line.startsWith(`${SESSION_COOKIE}=`))?.split(';')[0] ?? '';
      return response;
    },
  });
  const session = await client.logIn({ body: { name, password } });
  if (cookie === '' || session.csrfToken === null) {
    throw new Error(`Expected a session from ${baseUrl}, got none. Is the address that of a control plane?`);
  }
  return { session, cookie, csrfToken: session.csrfToken };
};

/**
 * Exchanges a name and a password for an API token with the account's role; no session is left open.
 * @throws ApiError, ConnectionError
 */
export const logIn = async (
  baseUrl: string,
  name: string,
  password: string,
  ttlSeconds: number,
): Promise<{ name: string; token: FreshToken }> => {
  const { session, cookie, csrfToken } = await openSession(baseUrl, name, password);
  const client = clientWith(baseUrl, { cookie, [CSRF_HEADER]: csrfToken });
  try {
    const token = await client.createToken({
      body: { name: `aviary on ${hostname()}`.slice(0, 128), role: session.role, ttlSeconds },
    });
    return { name: session.name, token };
  } finally {
    await client.logOut({});
  }
};

/** Who a token stands for. @throws ApiError, ConnectionError */
export const whoIs = (baseUrl: string, token: string) =>
  clientWith(baseUrl, { authorization: `Bearer ${token}` }).showSession({});

/** Revokes a token with its own right. @throws ApiError, ConnectionError */
export const revokeOwn = (baseUrl: string, token: string, id: string): Promise<void> =>
  clientWith(baseUrl, { authorization: `Bearer ${token}` }).revokeToken({ params: { id } });

/** Whether the control plane still waits for its first account. */
export const needsSetUp = async (baseUrl: string): Promise<boolean> =>
  (await clientWith(baseUrl, {}).showSetup({})).needed;
