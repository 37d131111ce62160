import { adminRoutes, type Route } from '@aviary/protocol';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { routeOf } from '../../infra/http/api-route.ts';
import { callerOf } from '../access/caller.ts';
import { describeChange } from './audit-detail.ts';
import type { AuditTrail } from './audit-trail.ts';

const NAMES = new Map<Route, string>(Object.entries(adminRoutes).map(([name, route]) => [route, name]));

/** Stands around every operation that changes something, so that none of them can forget its audit entry. */
export class AuditInterceptor implements NestInterceptor {
  constructor(private readonly trail: AuditTrail) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const route = routeOf(context.getHandler());
    if (route === undefined || route.method === 'GET' || route.changesNothing === true) return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const caller = callerOf(request);
    const change = {
      by: caller === undefined ? undefined : { actor: caller.name, via: caller.via },
      action: NAMES.get(route) ?? `${route.method} ${route.path}`,
      ...describeChange(route, request),
    };
    return from(this.trail.during(change, () => lastValueFrom(next.handle(), { defaultValue: undefined })));
  }
}
