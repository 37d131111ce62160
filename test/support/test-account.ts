import { adminRoutes, type Client, CSRF_HEADER, createClient, type Role, SESSION_COOKIE } from '@aviary/protocol';

/** Somebody who is logged in, as a browser would be. */
export interface TestAccount {
  readonly id: string;
  readonly name: string;
  readonly password: string;
  /** As it goes into the `cookie` header. */
  readonly cookie: string;
  readonly csrfToken: string;
  /** With the cookie, and the CSRF token for changes. */
  readonly client: Client<typeof adminRoutes>;
}

const PASSWORD = 'correct horse battery staple';

/** What a browser keeps of an answer that sets the session cookie, as a `cookie` header. @throws when it sets none */
export const sessionCookieOf = (answer: Response): string => {
  const cookie = answer.headers.getSetCookie().find((line) => line.startsWith(`${SESSION_COOKIE}=`));
  if (cookie === undefined) throw new Error(`the answer (${answer.status}) set no ${SESSION_COOKIE}`);
  return cookie.split(';')[0] ?? '';
};

/** Makes an account with `admin`'s rights and logs it in. @param server e.g. `http://127.0.0.1:8080` */
export const openAccount = async (
  admin: Client<typeof adminRoutes>,
  server: string,
  role: Role,
  name = `test-${role}`,
): Promise<TestAccount> => {
  const { id } = await admin.createAccount({ body: { name, role, password: PASSWORD } });
  const answer = await fetch(`${server}${adminRoutes.logIn.path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password: PASSWORD }),
  });
  const cookie = sessionCookieOf(answer);
  const { csrfToken } = adminRoutes.logIn.response?.parse(await answer.json()) ?? {};
  if (typeof csrfToken !== 'string') throw new Error(`the log-in of ${name} brought no CSRF token`);
  const client = createClient(adminRoutes, { baseUrl: server, fetch, headers: { cookie, [CSRF_HEADER]: csrfToken } });
  return { id, name, password: PASSWORD, cookie, csrfToken, client };
};
