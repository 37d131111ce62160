import { PROBLEM_CONTENT_TYPE, type Problem, problemSchema } from './problem.ts';
import type { Route, RouteInput, RouteOutput } from './route.ts';

/** An answer that was not the wanted one; `problem.code` is stable. */
export class ApiError extends Error {
  readonly code: string;
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.code = problem.code;
    this.problem = problem;
  }
}

/** The little of the web's `fetch` that the client needs; it comes from outside, since this library does no I/O. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string },
) => Promise<{
  ok: boolean;
  status: number;
  headers: { get(name: string): string | null };
  json(): Promise<unknown>;
  text(): Promise<string>;
}>;

interface Parts {
  readonly params?: Record<string, string>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/** Fills a route's path and query. */
export const routeUrl = (route: Route, parts: Parts): string => {
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(parts.params?.[name])));
  const query = Object.entries(parts.query ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`)
    .join('&');
  return query === '' ? path : `${path}?${query}`;
};

/** A function for each route: gives what the route takes, answers what it returns, throws `ApiError`. */
export type Client<Routes extends Record<string, Route>> = {
  readonly [Name in keyof Routes]: (input: RouteInput<Routes[Name]>) => Promise<RouteOutput<Routes[Name]>>;
};

const problemOf = async (route: Route, response: Awaited<ReturnType<Fetch>>): Promise<Problem> => {
  if (response.headers.get('content-type')?.startsWith(PROBLEM_CONTENT_TYPE) === true) {
    const parsed = problemSchema.safeParse(await response.json());
    if (parsed.success) return parsed.data;
  }
  return {
    type: 'about:blank',
    title: 'Unexpected answer',
    status: response.status,
    code: 'unexpected-answer',
    detail: `Expected an answer of the Aviary API to ${route.method} ${route.path}, got HTTP ${response.status}. Is the address right?`,
  };
};

/** Builds a client of `routes` at `baseUrl`. `headers` go with each request, e.g. the authorization. */
export const createClient = <Routes extends Record<string, Route>>(
  routes: Routes,
  options: { baseUrl: string; fetch: Fetch; headers?: Record<string, string> },
): Client<Routes> => {
  const call = async (route: Route, parts: Parts): Promise<unknown> => {
    const response = await options.fetch(options.baseUrl.replace(/\/$/, '') + routeUrl(route, parts), {
      method: route.method,
      headers: {
        accept: 'application/json',
        ...(parts.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(parts.body === undefined ? {} : { body: JSON.stringify(parts.body) }),
    });
    if (!response.ok) throw new ApiError(await problemOf(route, response));
    return route.response === undefined ? undefined : route.response.parse(await response.json());
  };
  const entries = Object.entries(routes).map(([name, route]) => [name, (input: Parts) => call(route, input)]);
  return Object.fromEntries(entries) as Client<Routes>;
};
