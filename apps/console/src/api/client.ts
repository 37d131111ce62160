import { sessionStore } from '../session/session-store.ts';
import { client } from './generated/client.gen.ts';
import { toProblemError } from './problem-error.ts';

const CSRF_HEADER = 'x-aviary-csrf';
const READS = new Set(['GET', 'HEAD']);

/** Where a 401 means a wrong password, not an ended session. */
const isLogIn = (request: Request): boolean =>
  request.method === 'POST' && ['/api/v1/session', '/api/v1/setup'].includes(new URL(request.url).pathname);

/**
 * Sets up the one client of the console: same origin, the session's cookie, its CSRF token on changes. Whatever a
 * request ends with but the wanted answer is thrown as a `ProblemError`.
 */
export const configureClient = (): void => {
  client.setConfig({ baseUrl: window.location.origin, credentials: 'same-origin' });
  client.interceptors.request.use((request) => {
    const token = sessionStore.get().session?.csrfToken;
    if (!READS.has(request.method) && typeof token === 'string') request.headers.set(CSRF_HEADER, token);
    return request;
  });
  client.interceptors.error.use((error, response, request) => {
    // Without an answer there is no response, whatever its type says.
    const answer: Response | undefined = response;
    if (answer?.status === 401 && !isLogIn(request)) sessionStore.expire();
    return toProblemError(error, answer);
  });
};
