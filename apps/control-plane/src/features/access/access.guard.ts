import { timingSafeEqual } from 'node:crypto';
import { CSRF_HEADER } from '@aviary/protocol';
import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { routeOf } from '../../infra/http/api-route.ts';
import { ProblemError } from '../../infra/problem.ts';
import { type Caller, rememberCaller } from './caller.ts';
import { type Callers, proofOf } from './callers.ts';

const READING = new Set(['GET', 'HEAD']);

const refuse = (code: string, words: string) => new ProblemError(403, code, words);

/**
 * Stands before every route of the admin plane and lets pass what `route.access` says. A handler that is no operation
 * of `libs/protocol` is closed, unless its controller is one of `open`.
 */
export class AccessGuard implements CanActivate {
  constructor(
    private readonly callers: Callers,
    private readonly open: ReadonlySet<Type>,
    /** Host and port under which browsers know this server, e.g. behind a proxy. */
    private readonly publicHost: string,
  ) {}

  /** @throws ProblemError 401 `not-authorized`; 403 `role-missing`, `csrf-missing`, `origin-foreign`, `route-closed` */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.open.has(context.getClass())) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const route = routeOf(context.getHandler());
    if (route === undefined || route.access === 'device') {
      throw refuse('route-closed', `Expected a route that says who may call it; ${request.url} does not.`);
    }
    const changes = !READING.has(request.method);
    if (changes) this.refuseForeignPages(request);
    if (route.access === 'public') return true;
    const caller = await this.callers.find(proofOf(request));
    if (!route.access.includes(caller.role)) {
      throw refuse(
        'role-missing',
        `Expected one of the roles ${route.access.join(', ')} to ${route.summary.toLowerCase()}; ${caller.name} has the role ${caller.role}. Ask an admin.`,
      );
    }
    if (changes) this.refuseForgery(request, caller);
    rememberCaller(request, caller);
    return true;
  }

  /** A browser says from whose page a change comes. */
  private refuseForeignPages({ headers: { origin }, host }: FastifyRequest): void {
    if (origin === undefined) return;
    const from = URL.parse(origin)?.host;
    if (from !== undefined && (from === host || from === this.publicHost)) return;
    throw refuse(
      'origin-foreign',
      `Expected a change from a page of this server (${host}), got one from ${origin}. Behind a proxy, start with --public-url.`,
    );
  }

  /** A cookie goes with whatever a browser sends; the token in the header only with what our own pages do. */
  private refuseForgery({ headers }: FastifyRequest, { csrfToken }: Caller): void {
    if (csrfToken === null) return;
    const [wanted, given] = [Buffer.from(csrfToken), Buffer.from(String(headers[CSRF_HEADER] ?? ''))];
    if (wanted.length === given.length && timingSafeEqual(wanted, given)) return;
    throw refuse(
      'csrf-missing',
      `Expected the session’s csrfToken in the header ${CSRF_HEADER} of a change, got ${given.length === 0 ? 'none' : 'another one'}. Read it from GET /api/v1/session.`,
    );
  }
}
