import type { z } from 'zod';
import type { Access } from './roles.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One operation of an HTTP API: the server is built against it, the client is typed by it, OpenAPI is made from it. */
export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Response extends z.ZodType = z.ZodType,
> {
  readonly method: Method;
  /** With `:name` for each parameter. */
  readonly path: string;
  readonly summary: string;
  /** Which part of the API it belongs to; a heading in the documentation. */
  readonly tag: string;
  /** Who may call it. */
  readonly access: Access;
  /** A POST that only answers, e.g. a dry run: nothing to audit. */
  readonly changesNothing?: true;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** Media type of the bytes that it takes instead of a `body` in JSON. */
  readonly upload?: string;
  /** Media type of the bytes that it answers instead of a `response` in JSON; a range of them when that is asked for. */
  readonly download?: string;
  /** Absent, as is `download`: 204, no content. */
  readonly response?: Response;
  /** Status of success when it is not what {@link statusOf} says without it. */
  readonly status?: number;
}

/** Status of success. */
export const statusOf = ({ status, response, download }: Route): number =>
  status ?? (response === undefined && download === undefined ? 204 : 200);

/** States a route with its types kept. */
export const route = <
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
  Response extends z.ZodType = z.ZodUndefined,
>(
  definition: Route<Params, Query, Body, Response>,
): Route<Params, Query, Body, Response> => definition;

type Part<S> = S extends z.ZodType ? z.input<S> : undefined;
type Given<Name extends string, S> = Part<S> extends undefined ? unknown : { readonly [K in Name]: Part<S> };

/** What a caller gives: only the parts that the route has. */
export type RouteInput<R extends Route> =
  R extends Route<infer P, infer Q, infer B>
    ? Given<'params', P> & (Part<Q> extends undefined ? unknown : { readonly query?: Part<Q> }) & Given<'body', B>
    : never;

/** What a caller gets. */
export type RouteOutput<R extends Route> = R extends Route<infer _P, infer _Q, infer _B, infer O> ? z.output<O> : never;

/** What a server works with once the request was checked: every part of the route, defaults filled in. */
export type RouteRequest<R extends Route> =
  R extends Route<infer P, infer Q, infer B>
    ? { readonly params: z.output<P>; readonly query: z.output<Q>; readonly body: z.output<B> }
    : never;
