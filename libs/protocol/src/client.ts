import { z } from 'zod';
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
  text(): Promise<string>;
}>;

interface Parts {
  readonly params?: Record<string, string>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/**
 * Fills a route's path and query.
 * @throws RangeError for a parameter that is missing, or that a path cannot carry
 */
export const routeUrl = (route: Route, parts: Parts): string => {
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => {
    const value = parts.params?.[name];
    // An address drops these on its way, and would name another route.
    if (value === undefined || value === '' || value === '.' || value === '..') {
      throw new RangeError(`Expected the ${name} for ${route.method} ${route.path}, got "${value ?? ''}".`);
    }
    return encodeURIComponent(value);
  });
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

type Answer = Awaited<ReturnType<Fetch>>;

const unexpected = (route: Route, { status }: Answer, hint: string): Problem => ({
  type: 'about:blank',
  title: 'Unexpected answer',
  status,
  code: 'unexpected-answer',
  detail: `Expected an answer of the Aviary API to ${route.method} ${route.path}, got HTTP ${status}. ${hint}`,
});

/** What a text says in JSON; undefined, which JSON cannot say, when it is none. */
const json = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const problemOf = async (route: Route, response: Answer): Promise<Problem> => {
  const text = await response.text();
  if (response.headers.get('content-type')?.startsWith(PROBLEM_CONTENT_TYPE) === true) {
    const parsed = problemSchema.safeParse(json(text));
    if (parsed.success) return parsed.data;
  }
  return unexpected(route, response, 'Is the address right?');
};

/**
 * Builds a client of `routes` at `baseUrl`. `headers` go with each request, e.g. the authorization. Each function
 * throws `ApiError` for any answer but the wanted one, and whatever `fetch` throws when there is none.
 */
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
    if (route.response === undefined) return undefined;
    const body = json(await response.text());
    if (body === undefined) throw new ApiError(unexpected(route, response, 'It is no JSON. Is the address right?'));
    const answer = route.response.safeParse(body);
    if (answer.success) return answer.data;
    const hint = `It does not have the form of this version: ${z.prettifyError(answer.error)}`;
    throw new ApiError(unexpected(route, response, hint));
  };
  const entries = Object.entries(routes).map(([name, route]) => [name, (input: Parts) => call(route, input)]);
  return Object.fromEntries(entries) as Client<Routes>;
};
