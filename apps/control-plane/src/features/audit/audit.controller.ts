import { adminRoutes, type RouteRequest } from '@aviary/protocol';
import { Controller, Inject } from '@nestjs/common';
import { ApiRoute, Checked } from '../../infra/http/api-route.ts';
import { AuditTrail } from './audit-trail.ts';

@Controller()
export class AuditController {
  constructor(@Inject(AuditTrail) private readonly trail: AuditTrail) {}

  @ApiRoute(adminRoutes.listAudit)
  list(@Checked() { query }: RouteRequest<typeof adminRoutes.listAudit>) {
    return this.trail.list(query);
  }
}
